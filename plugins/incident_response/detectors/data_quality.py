"""Detector `data_quality`: is the data fresh, complete, of the usual size and right?

Any SQL connection of Airflow will do; the login needs to read the tables that the checks name, and no more.
A check that cannot be run hides nothing: what it found goes on firing, and DataQueryFailed says that it is
blind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.clients.giving_up import Patience
from incident_response.clients.sql_engine import engine
from incident_response.clients.sql_reading import Broken, Question, Reading, Rows
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.signals import Signal
from incident_response.sources.data_checks import AnyCheck, Assertion
from incident_response.sources.data_quality import DataQualitySource

from .base import Find, Look, SourceDetector
from .data_judgement import judge
from .data_memory import Kept
from .data_values import Unusable


class DataQualityDetector(SourceDetector[DataQualitySource]):
    """Runs the checks of one database that are due."""

    kind = "data_quality"

    def __init__(self, source: DataQualitySource, find: Find) -> None:
        super().__init__(source, find)
        self._patience = Patience(source.name)

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """Run what is due. Raises SourceUnavailable, NotConfigured."""
        known = {check.name: Kept.of(memory.get(check.name, {}), check) for check in self.source.checks}
        answers = self._answers(self._due(known, now))
        for check in self.source.checks:
            if check.name in answers:
                known[check.name] = self._learn(check, answers[check.name], known[check.name], now)
        firing = [
            signal for check in self.source.checks for signal in self._signals(check, known[check.name])
        ]
        return Look(
            tuple(firing), memory={check.name: known[check.name].kept(check) for check in self.source.checks}
        )

    def _due(self, known: Mapping[str, Kept], now: datetime) -> list[AnyCheck]:
        """Those that waited longest come first: a slow one must not starve the others."""
        slack = self.source.interval / 2  # looks are never quite punctual
        due = [
            check
            for check in self.source.checks
            if known[check.name].due(now, check.every, slack, self.source.query_failures)
        ]
        return sorted(due, key=lambda check: known[check.name].at)

    def _answers(self, due: Sequence[AnyCheck]) -> Mapping[str, Rows | Broken]:
        if not due:
            return {}
        connection = self.connection(self.source.conn_id)
        reading = Reading(
            engine(connection, self.seconds, self.name),
            [Question(check.name, check.sql, check.parameters, _rows_of_interest(check)) for check in due],
            self.seconds,
            self.source.query_limit.total_seconds(),
            f"{self.name} ({self.source.conn_id})",
            connection.password,
        )
        try:
            self._patience.wait(reading, self.seconds)
        except TimeoutError as error:
            if reading.waiting_for is None:
                raise SourceUnavailable(
                    f"{self.name} ({self.source.conn_id}): {error}; what was found before stays; check "
                    "whether the database answers, and raise `time_limit` if it is only slow"
                ) from None
            return {**reading.answers, reading.waiting_for: Broken(str(error))}
        return reading.answers

    def _learn(self, check: AnyCheck, answer: Rows | Broken, kept: Kept, now: datetime) -> Kept:
        if isinstance(answer, Broken):
            return kept.failed(answer.why, now)
        try:
            return kept.answered(judge(check, answer, kept.history, now), check.failures, now)
        except Unusable as error:
            return kept.failed(str(error), now)
        except OverflowError:
            return kept.failed("the query returned a time beyond the calendar; filter such rows", now)

    def _signals(self, check: AnyCheck, kept: Kept) -> Iterator[Signal]:
        if kept.found:
            evidence = {k: v for k, v in kept.found.items() if k not in ("alert", "words", "since")}
            since = datetime.fromisoformat(kept.found["since"])
            summary = f"{check.table}: {kept.found['words']}"
            yield self._signal(check, kept.found["alert"], summary, since, evidence)
        if kept.broken >= self.source.query_failures:
            yield self._signal(
                check,
                "DataQueryFailed",
                f"{check.table}: the check {check.name} cannot be run: {kept.error}",
                kept.at,
                {"error": kept.error, "value": kept.broken, "threshold": self.source.query_failures},
            )

    def _signal(
        self, check: AnyCheck, name: str, summary: str, at: datetime, evidence: Mapping[str, Any]
    ) -> Signal:
        """The query goes with it as it is: what repairs the data proves it by the same one."""
        labels = {
            "alertname": name,
            "check": check.name,
            "table": check.table,
            "service": check.service or self.source.service or check.table,
            "component": "data_quality",
        }
        question = {
            "conn_id": self.source.conn_id,
            "kind": check.kind,
            "sql": check.sql,
            "parameters": check.model_dump(mode="json")["parameters"],
            "limits": check.limits,
        }
        return Signal(self.kind, labels, summary[:500], at, details={**evidence, **question})


def _rows_of_interest(check: AnyCheck) -> int:
    return check.allowed if isinstance(check, Assertion) else 1
