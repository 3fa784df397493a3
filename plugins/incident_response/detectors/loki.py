"""LokiDetector: log lines of one kind, counted per service; too many of them are a finding."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.logs import logger
from incident_response.domain.ports import Observation
from incident_response.domain.signals import Signal
from incident_response.domain.times import UTC
from incident_response.sources.loki import LogQuery, LokiSource

from . import logql
from .base import Look, SourceDetector
from .loki_api import LokiApi, Unanswered
from .loki_findings import KEPT, SOURCE, blind, finding, kept
from .loki_memory import Known, QueryMemory

log = logger(__name__)

_MOST = 100  # findings of one query; more than that would be one storm, not more knowledge
_PATIENCE = 3  # looks in a row that a query may stay without an answer
_MOST_SHOWN = 20  # findings per look and query whose lines are fetched: Loki has its own trouble in a storm
_RESERVE = 0.5  # seconds of the time limit that are left for everything but asking
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Seen:
    """What one query saw; `problem` when it got no answer."""

    firing: tuple[Signal, ...]
    memory: QueryMemory
    problem: str = ""


class LokiDetector(SourceDetector[LokiSource]):
    """Counts lines with all queries at once; each is on its own, also when it is slow or broken."""

    kind: ClassVar[str] = SOURCE

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        """As the base class; what was not looked at anew is remembered, but not told again."""
        seen = super().poll(cursor, now)
        return replace(seen, signals=[s for s in seen.signals if not s.details.get(KEPT)])

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """All values above their limit. Raises SourceUnavailable when no query is answered."""
        past = {query.name: QueryMemory.of(memory, query.name) for query in self.source.queries}
        seen = self._ask_all(past, now)
        problems = [f"{name}: {part.problem}" for name, part in seen.items() if part.problem]
        if len(problems) == len(seen):
            raise SourceUnavailable(
                f"{self.name}: Loki (connection {self.source.conn_id!r}) answered none of its "
                f"{len(seen)} queries: {problems[0]}"
            )
        for name, part in seen.items():
            if part.problem and part.memory.failures == 1:
                log.warning("%s: the query %s got no answer: %s", self.name, name, part.problem)
        return Look(
            tuple(signal for part in seen.values() for signal in part.firing),
            memory={name: part.memory.kept() for name, part in seen.items()},
        )

    def _ask_all(self, past: Mapping[str, QueryMemory], now: datetime) -> dict[str, _Seen]:
        queries = self.source.queries
        found = self.connection(self.source.conn_id)
        seconds = max(0.5, self.seconds - _RESERVE)
        pool = ThreadPoolExecutor(len(queries), thread_name_prefix=self.name)
        try:
            with LokiApi(found, seconds) as api:
                asked = {q.name: pool.submit(self._ask, api, q, past[q.name], now) for q in queries}
                wait(asked.values(), timeout=seconds + _RESERVE / 2)
                return {q.name: self._result(asked[q.name], q, past[q.name], now) for q in queries}
        except Unanswered as problem:
            raise SourceUnavailable(f"{self.name}: connection {self.source.conn_id!r}: {problem}") from None
        finally:
            # A thread that still waits for a byte ends by itself soon; nobody waits for it.
            pool.shutdown(wait=False, cancel_futures=True)

    def _result(self, asked: Future[_Seen], query: LogQuery, past: QueryMemory, now: datetime) -> _Seen:
        problem = "it did not answer in time; raise time_limit or narrow the query"
        if asked.done():
            try:
                return asked.result()
            except (Unanswered, logql.Unreadable) as error:
                problem = str(error)
        failures = past.failures + 1
        firing = [kept(query, value, known.lines, now) for value, known in past.known.items()]
        if failures >= _PATIENCE:
            firing.append(blind(self.name, query, problem, _PATIENCE, now))
        return _Seen(tuple(firing), replace(past, failures=failures), problem)

    def _ask(self, api: LokiApi, query: LogQuery, past: QueryMemory, now: datetime) -> _Seen:
        answer = api.ask("query", {"query": logql.counting(query), "time": _nanoseconds(now)})
        above = past.above(query, logql.counts(answer, query, now))
        if len(above) > _MOST:
            log.warning("%s: %s finds %d values of %s, only %d are told; group by another label",
                        self.name, query.name, len(above), query.by, _MOST)  # fmt: skip
        told = above[:_MOST]
        # Lines are fetched when they will be told, by the same reckoning as the watch's.
        due = [count for count in told if past.due(count.value, now, self.source.repeat)]
        firing = [self._with_lines(api, query, count, now) for count in due[:_MOST_SHOWN]]
        firing += [finding(query, count, now) for count in told if count not in due[:_MOST_SHOWN]]
        known = {c.value: Known(c.lines, now if c in due else past.known[c.value].shown) for c in told}
        return _Seen(tuple(firing), QueryMemory(known))

    def _with_lines(self, api: LokiApi, query: LogQuery, count: logql.Count, now: datetime) -> Signal:
        """Lines are evidence: a finding without them is still a finding."""
        if not query.samples:
            return finding(query, count, now)
        try:
            answer = api.ask(
                "query_range",
                {
                    "query": logql.lines_of(query, count.value),
                    "start": _nanoseconds(now - query.window),
                    "end": _nanoseconds(now),
                    "limit": query.samples,
                    "direction": "backward",
                },
            )
            return finding(query, count, now, logql.lines(answer, query.samples))
        except (Unanswered, logql.Unreadable) as problem:
            return finding(query, count, now, unseen=str(problem))


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
