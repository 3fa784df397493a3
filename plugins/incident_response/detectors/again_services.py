"""Services asked by HTTP, PostgreSQL servers and Airflow itself, looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from incident_response.clients.postgres_session import database_of
from incident_response.domain.records import Sighting
from incident_response.sources.airflow_health import AirflowHealthSource
from incident_response.sources.http_health import HttpHealthSource, HttpTarget
from incident_response.sources.postgres import PostgresSource

from .again import ByLooking, World, name
from .base import Look

_QUEUE = ("AirflowHighTaskQueueLength", "AirflowTasksQueuedTooLong", "AirflowPoolStarved")


class HttpHealthAgain(ByLooking[HttpHealthSource]):
    """One bad answer is enough, also while the service may still be starting."""

    kind: ClassVar[str] = "http_health"

    def covers(self, source: HttpHealthSource, sighting: Sighting, world: World) -> bool:
        """When the target is still watched."""
        return any(_is_of(target, sighting) for target in source.targets)

    def strict(self, source: HttpHealthSource, seen: Sequence[Sighting]) -> HttpHealthSource:
        """The targets in question, with neither patience nor grace."""
        patient = {"failures": 1, "successes": 1, "start_grace": timedelta()}
        targets = [
            target.model_copy(update=patient)
            for target in source.targets
            if any(_is_of(target, sighting) for sighting in seen)
        ]
        return source.model_copy(update={"targets": tuple(targets)})

    def fires(self, source: HttpHealthSource, sighting: Sighting, look: Look) -> bool:
        """A slow service that is down now is not well, and a certificate that nobody saw may have ended."""
        target = next(target for target in source.targets if _is_of(target, sighting))
        found = {signal.name for signal in look.firing if _is_of(target, signal)}
        if name(sighting).startswith("TLS"):
            end = look.memory["targets"][f"{target.service} {target.label}"]["ends"]
            return end is None or any(alert.startswith("TLS") for alert in found)
        return bool(found - {"TLSCertificateExpiring"})


class PostgresAgain(ByLooking[PostgresSource]):
    """One look without an answer is enough; what has fired ends as late as usual."""

    kind: ClassVar[str] = "postgres"

    def covers(self, source: PostgresSource, sighting: Sighting, world: World) -> bool:
        """When it is the same database."""
        found = world.find(source.conn_id)
        return found is None or database_of(found) == sighting.labels.get("database")

    def strict(self, source: PostgresSource, seen: Sequence[Sighting]) -> PostgresSource:
        """Without patience."""
        return source.model_copy(update={"failures": 1})

    def memory(self, source: PostgresSource, seen: Sequence[Sighting], now: datetime) -> Mapping[str, Any]:
        """The names of what has fired."""
        return {"held": sorted({name(sighting) for sighting in seen})}


class AirflowHealthAgain(ByLooking[AirflowHealthSource]):
    """One look at a component that is down is enough."""

    kind: ClassVar[str] = "airflow_health"

    def covers(self, source: AirflowHealthSource, sighting: Sighting, world: World) -> bool:
        """There is one Airflow."""
        return True

    def strict(self, source: AirflowHealthSource, seen: Sequence[Sighting]) -> AirflowHealthSource:
        """Without patience."""
        return source.model_copy(update={"failures": 1})

    def memory(
        self, source: AirflowHealthSource, seen: Sequence[Sighting], now: datetime
    ) -> Mapping[str, Any]:
        """An API that answered before, and what the queue had firing: unread, it keeps that."""
        waiting = [sighting for sighting in seen if name(sighting) in _QUEUE]
        queue = {
            "long": any(name(sighting) == _QUEUE[0] for sighting in waiting),
            "firing": [[dict(sighting.labels), sighting.summary] for sighting in waiting],
        }
        return {"answered": True, "queue": queue}


def _is_of(target: HttpTarget, seen: Any) -> bool:
    return bool(seen.labels.get("service") == target.service and seen.labels.get("target") == target.label)
