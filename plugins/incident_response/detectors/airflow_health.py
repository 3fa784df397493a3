"""AirflowHealth: is Airflow itself well? Its components, its queue, its pools, by its REST API.

In the triggerer this sees everything but the end of the triggerer itself; the same look by
`python -m incident_response tick`, from cron or a sidecar, sees that too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, SourceUnavailable
from incident_response.domain.logs import logger
from incident_response.domain.ports import AirflowRest
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.domain.times import in_words
from incident_response.sources.airflow_health import AirflowHealthSource

from .airflow_components import Component, components
from .airflow_finding import KIND, finding
from .airflow_queue import QueueListing
from .airflow_waiting import WaitingTasks
from .base import Look, SourceDetector

log = logger(__name__)

_ALERTS = {
    "scheduler": "AirflowSchedulerDown",
    "triggerer": "AirflowTriggererDown",
    "dag_processor": "AirflowDagProcessorDown",
    "api_server": "AirflowApiServerDown",
    "metadatabase": "AirflowMetadatabaseDown",
}


class AirflowHealthDetector(SourceDetector[AirflowHealthSource]):
    """Detector of Airflow's own health."""

    kind = KIND

    def __init__(self, source: AirflowHealthSource, airflow: AirflowRest) -> None:
        """`airflow` knows its connection itself."""
        super().__init__(source, lambda _: None)
        self._airflow = airflow

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """Memory: `answered`, whether the API ever did; `down`, looks in a row by component; and the queue's.

        Raises SourceUnavailable when the API has never answered or refuses us: that is our trouble, not
        Airflow's.
        """
        ends_at = time.monotonic() + self.seconds
        try:
            health = self._health()
        except AirflowUnavailable as error:
            return self._away(memory, error, now)
        before: Mapping[str, int] = memory.get("down") or {}
        parts = [part for part in components(health, self.source.heartbeat_late, now) if part.trouble]
        down = {part.name: before.get(part.name, 0) + 1 for part in parts}
        firing = self._down(parts, down, now)
        if "metadatabase" in down:
            # Heartbeats and queue are in it: what cannot be known stays as it was.
            kept = {name: looks for name, looks in before.items() if name != "api_server"}
            return Look(firing, complete=False, memory={**memory, "answered": True, "down": kept | down})
        waiting, queue = self._waiting(memory, not (before or down), ends_at - time.monotonic(), now)
        return Look((*firing, *waiting), memory={"answered": True, "down": down, "queue": queue})

    def _health(self) -> Mapping[str, Any]:
        try:
            health = self._airflow.get("/monitor/health")
        except AirflowRefused as refused:
            raise SourceUnavailable(
                f"{self.name}: {one_line(str(refused))}; check the connection that api_conn_id names"
            ) from refused
        if not isinstance(health, Mapping) or not isinstance(health.get("metadatabase"), Mapping):
            raise SourceUnavailable(
                f"{self.name}: /monitor/health gave an answer that is not Airflow's; check the host of the "
                "connection that api_conn_id names"
            )
        return health

    def _away(self, memory: Mapping[str, Any], error: AirflowUnavailable, now: datetime) -> Look:
        """No answer: all that is known stays as it is, and the API server is what is down."""
        if not memory.get("answered"):
            # As with components, one that was never there is not down: it may be our connection.
            raise SourceUnavailable(
                f"{self.name}: Airflow's REST API has never answered: {one_line(str(error))}; check that the "
                "API server runs, and the connection that api_conn_id names"
            ) from error
        before: Mapping[str, int] = memory.get("down") or {}
        down = {**before, "api_server": before.get("api_server", 0) + 1}
        part = Component("api_server", f"Airflow's API server does not answer: {one_line(str(error))}")
        return Look(self._down([part], down, now), complete=False, memory={**memory, "down": down})

    def _down(
        self, parts: Sequence[Component], looks: Mapping[str, int], now: datetime
    ) -> tuple[Signal, ...]:
        """Those that were down often enough."""
        return tuple(
            finding(
                _ALERTS[part.name],
                self.source.service(part.name),
                part.trouble,
                part.beat or now,
                self._details(part, looks[part.name]),
            )
            for part in parts
            if looks[part.name] >= self.source.failures
        )

    def _details(self, part: Component, looks: int) -> dict[str, Any]:
        details: dict[str, Any] = {"component": part.name, "looks": looks}
        if part.status:
            details["status"] = one_line(part.status, 40)
        if part.beat:
            details["last_heartbeat"] = part.beat.isoformat()
            details["heartbeat_late"] = in_words(self.source.heartbeat_late)
        return details

    def _waiting(
        self, memory: Mapping[str, Any], quiet: bool, seconds: float, now: datetime
    ) -> tuple[Sequence[Signal], Mapping[str, Any]]:
        """What the queue says, and its memory. `quiet`: no component has anything to tell."""
        kept: Mapping[str, Any] = memory.get("queue") or {}
        judge = WaitingTasks(self.source, QueueListing(self._airflow, seconds), kept, now)
        try:
            signals = judge.look()
        except (AirflowUnavailable, AirflowRefused) as error:
            told = f"{self.name}: Airflow's tasks cannot be listed: {one_line(str(error))}"
            fired = kept.get("firing") or ()
            if quiet and not fired:
                raise SourceUnavailable(f"{told}; may the API's user read task instances?") from error
            # Half a look is better than none: components are told of, and what waited goes on waiting.
            log.warning("%s; only the components were looked at", told)
            return [Signal(KIND, labels, summary, now) for labels, summary in fired], kept
        return signals, {**judge.memory, "firing": [[dict(s.labels), s.summary] for s in signals]}
