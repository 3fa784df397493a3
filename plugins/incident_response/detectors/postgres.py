"""Detector `postgres`: does the server answer, has it connections left, and who holds up whom.

The login needs `GRANT pg_monitor TO <role>` and nothing else: with it the statements of other users are seen.
Without it connections and locks are still judged, but not what other users run or leave open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from incident_response.clients.giving_up import Patience
from incident_response.clients.postgres_refusals import Refusal, refusal
from incident_response.clients.postgres_session import NoAnswer, ask, database_of
from incident_response.domain.connections import Connection
from incident_response.domain.signals import Signal
from incident_response.sources.postgres import PostgresSource

from .base import Find, Look, SourceDetector
from .postgres_findings import Finding, Judge
from .postgres_question import STATEMENT, parameters

_HYSTERESIS = "held"  # names of what fired at the last look that was answered
_FAILURES, _SINCE = "failures", "failing_since"


class PostgresDetector(SourceDetector[PostgresSource]):
    """Asks one PostgreSQL server. That it does not answer is a finding, not an error."""

    kind = "postgres"

    def __init__(self, source: PostgresSource, find: Find) -> None:
        super().__init__(source, find)
        self._patience = Patience(source.name)

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """Ask once. Raises NotConfigured; SourceUnavailable when the server refuses the question."""
        connection = self.connection(self.source.conn_id)
        held = frozenset(memory.get(_HYSTERESIS, ()))
        try:
            answer = self._ask(connection)
        except NoAnswer as error:
            if error.refusal.exhausted:
                return self._exhausted(connection, error.refusal, held, now)
            return self._failed(connection, error.refusal, memory, now)
        found = Judge(self.source, self._service(connection), held).findings(answer)
        return Look(
            tuple(self._signal(connection, finding, now) for finding in found),
            memory={_HYSTERESIS: sorted(finding.name for finding in found)},
        )

    def _ask(self, connection: Connection) -> Mapping[str, Any]:
        question = partial(ask, connection, STATEMENT, parameters(self.source), self.seconds, self.name)
        try:
            answer: Mapping[str, Any] = self._patience.wait(question, self.seconds)
        except TimeoutError as error:
            raise NoAnswer(refusal(str(error))) from None
        return answer

    def _exhausted(self, connection: Connection, why: Refusal, held: frozenset[str], now: datetime) -> Look:
        """The server answers, but with no look inside: everything else stays as it was."""
        name = "DatabaseConnectionsExhausted"
        finding = Finding(
            name,
            f"{self._service(connection)}: no connection is left, PostgreSQL answers: {why.message}",
            {"reason": why.reason, "message": why.message},
        )
        memory = {_HYSTERESIS: sorted(held | {name})}
        return Look((self._signal(connection, finding, now),), complete=False, memory=memory)

    def _failed(self, connection: Connection, why: Refusal, memory: Mapping[str, Any], now: datetime) -> Look:
        looks = int(memory.get(_FAILURES, 0)) + 1
        since = datetime.fromisoformat(memory[_SINCE]) if memory.get(_SINCE) else now
        remembered = {**memory, _FAILURES: looks, _SINCE: since.isoformat()}
        firing: Sequence[Signal] = ()
        if looks >= self.source.failures:
            where = f"{connection.host or 'localhost'}:{connection.port or 5432}"
            finding = Finding(
                "DatabaseConnectionFailure",
                f"{self._service(connection)}: PostgreSQL at {where} gives no connection, {why.words}: "
                f"{why.message}",
                {
                    "reason": why.reason,
                    "message": why.message,
                    "address": where,
                    "login": connection.login,
                    "value": looks,
                    "threshold": self.source.failures,
                },
                (now - since).total_seconds(),
            )
            firing = (self._signal(connection, finding, now),)
        return Look(tuple(firing), complete=False, memory=remembered)

    def _service(self, connection: Connection) -> str:
        return self.source.service or database_of(connection)

    def _signal(self, connection: Connection, finding: Finding, now: datetime) -> Signal:
        labels = {
            "alertname": finding.name,
            "service": self._service(connection),
            "database": database_of(connection),
            "component": "database",
        }
        details = {**finding.details, "conn_id": self.source.conn_id}
        at = now - timedelta(seconds=max(0.0, finding.age))
        return Signal(self.kind, labels, finding.summary, at, details=details)
