"""Alerts of Prometheus and Alertmanager, and log lines, looked at again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from incident_response.domain.records import Sighting
from incident_response.sources.alertmanager import AlertmanagerSource
from incident_response.sources.loki import LokiSource
from incident_response.sources.matchers import matches_any
from incident_response.sources.prometheus import PrometheusSource

from .again import ByLooking, World, name, shown, unanswered
from .base import Look

_BLIND = "DetectorFailing"


class PrometheusAgain(ByLooking[PrometheusSource]):
    """What has fired goes on at once, without waiting for its `for`; a pending alert has not ended."""

    kind: ClassVar[str] = "prometheus"

    def covers(self, source: PrometheusSource, sighting: Sighting, world: World) -> bool:
        """When one of its parts is still there that would see it."""
        return any(True for _ in _parts(source, sighting))

    def memory(self, source: PrometheusSource, seen: Sequence[Sighting], now: datetime) -> Mapping[str, Any]:
        """By part: all that is in question fired at the last look."""
        fired = {sighting.fingerprint: sighting.first_at.isoformat() for sighting in seen}
        own = {"since": fired, "at": now.isoformat()}
        queries = {f"query {query.name}": {"firing": sorted(fired), "own": own} for query in source.queries}
        return {"alerts": {"firing": sorted(fired)}, **queries}

    def fires(self, source: PrometheusSource, sighting: Sighting, look: Look) -> bool:
        """A part that failed says nothing."""
        failed = [part for part in _parts(source, sighting) if look.memory.get(part, {}).get("failures")]
        if name(sighting) == _BLIND:
            return bool(failed)
        if failed:
            raise unanswered(source, failed[0])
        return shown(sighting, look)


class AlertmanagerAgain(ByLooking[AlertmanagerSource]):
    """A silenced or inhibited alert has not ended."""

    kind: ClassVar[str] = "alertmanager"

    def covers(self, source: AlertmanagerSource, sighting: Sighting, world: World) -> bool:
        """When it is not ignored."""
        return not matches_any(source.ignore, sighting.labels)

    def memory(
        self, source: AlertmanagerSource, seen: Sequence[Sighting], now: datetime
    ) -> Mapping[str, Any]:
        """All that is in question fired at the last look."""
        return {"firing": sorted(sighting.fingerprint for sighting in seen)}


class LokiAgain(ByLooking[LokiSource]):
    """What has fired ends below the lower count; nobody needs the lines."""

    kind: ClassVar[str] = "loki"

    def covers(self, source: LokiSource, sighting: Sighting, world: World) -> bool:
        """When the query is still there."""
        return _query(source, sighting) in {query.name for query in source.queries}

    def strict(self, source: LokiSource, seen: Sequence[Sighting]) -> LokiSource:
        """The queries in question."""
        wanted = {_query(source, sighting) for sighting in seen}
        queries = [
            query.model_copy(
                update={"at_least": query.clears_below, "clear_below": query.clears_below, "samples": 0}
            )
            for query in source.queries
            if query.name in wanted
        ]
        return source.model_copy(update={"queries": tuple(queries)})

    def fires(self, source: LokiSource, sighting: Sighting, look: Look) -> bool:
        """A query without an answer says nothing."""
        query = _query(source, sighting)
        failed = bool(look.memory[query]["failures"])
        if name(sighting) == _BLIND:
            return failed
        if failed:
            raise unanswered(source, f"the query {query}")
        return shown(sighting, look)


def _parts(source: PrometheusSource, sighting: Sighting) -> Iterator[str]:
    """The parts of a look that would show it."""
    if name(sighting) == _BLIND and "detector" in sighting.labels:
        known = {"alerts", *(f"query {query.name}" for query in source.queries)}
        part = sighting.labels.get("part", "")
        if sighting.labels["detector"] == source.name and part in known:
            yield part
        return
    if source.alerts and not matches_any(source.ignore, sighting.labels):
        yield "alerts"
    yield from (f"query {query.name}" for query in source.queries if query.name == name(sighting))


def _query(source: LokiSource, sighting: Sighting) -> str:
    if name(sighting) == _BLIND:
        return sighting.labels.get("detector", "").removeprefix(f"{source.name}/")
    return sighting.labels.get("query", "")
