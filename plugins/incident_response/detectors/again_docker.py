"""Containers looked at again: what the engine says now, without grace and without a past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_facts import Facts
from incident_response.domain.errors import NotConfigured
from incident_response.domain.records import Sighting
from incident_response.sources.docker_engine import DockerSource, Terms, WatchedContainer

from .again import Again, World, name, unanswered
from .docker_findings import why_down
from .docker_memory import MemoryUse
from .docker_rows import Row
from .docker_survey import Survey

_SAME = timedelta(seconds=15)  # an event and what is written down about it lie apart by less


@dataclass(frozen=True)
class _Seen:
    """What the engine says."""

    survey: Survey
    figures: Mapping[str, tuple[int, int]]  # bytes used and allowed, by id
    killed: Mapping[str, datetime]  # the latest kill for memory, by name
    now: datetime  # by the engine's clock


class DockerAgain(Again[DockerSource]):
    """A container that is away, down, unhealthy or still starting is not well, whatever it was told for."""

    kind: ClassVar[str] = "docker"

    def covers(self, source: DockerSource, sighting: Sighting, world: World) -> bool:
        """When the container is still watched."""
        return source.terms(_container(sighting)) is not None

    def firing(
        self, source: DockerSource, seen: Sequence[Sighting], world: World, now: datetime
    ) -> Sequence[Sighting]:
        """One survey of the containers in question."""
        connection = world.find(source.conn_id)
        if connection is None:
            raise NotConfigured(f"{source.name}: the Airflow connection {source.conn_id!r} is not defined")
        containers = tuple(WatchedContainer(name=one) for one in sorted({_container(s) for s in seen}))
        only = source.model_copy(update={"containers": containers, "expected": (), "ignore": ()})
        seconds = source.time_limit.total_seconds() * 0.9
        with closing(Engine(source.name, connection, seconds)) as engine:
            survey = Survey(engine, only, MemoryUse({}, now), {})
            survey.inspect()
            figures = survey.memory_use()
            at = engine.time or now
            killed = _kills(engine, seen, at) if source.events else {}
        if not survey.complete:
            raise unanswered(source, "a container")
        found = _Seen(survey, figures, killed, at)
        return [s for s in seen if self._fires(s, found, source.terms(_container(s)))]

    def _fires(self, sighting: Sighting, seen: _Seen, terms: Terms | None) -> bool:
        row = seen.survey.rows.get(_container(sighting))
        facts = seen.survey.facts.get(row.id) if row else None
        assert terms is not None  # it is covered
        if row and not terms.expected and seen.survey.is_finished_job(row):
            return False
        if row is None or why_down(row, facts, expected=True) or row.state == "restarting":
            return True
        if row.health in ("unhealthy", "starting"):
            return True
        alert = name(sighting)
        if alert == "ContainerRestarting":
            return _may_loop(facts, terms, seen.now)
        if alert == "HighMemoryUsage":
            return _is_short(row, terms, seen.figures)
        if alert == "ContainerOOMKilled":
            return _is_killed_again(sighting, seen.killed.get(row.name))
        return False


def _may_loop(facts: Facts | None, terms: Terms, now: datetime) -> bool:
    """Until it has run for as long as a loop would have let it run."""
    if facts is None or facts.started_at is None:
        return True
    return now - facts.started_at < terms.restarts.within / terms.restarts.count


def _is_short(row: Row, terms: Terms, figures: Mapping[str, tuple[int, int]]) -> bool:
    if row.id not in figures:  # it has no limit any more
        return False
    used, allowed = figures[row.id]
    return 100 * used / allowed >= terms.memory_clear


def _is_killed_again(sighting: Sighting, latest: datetime | None) -> bool:
    """A kill is an event: the one that was told is over, another one is not."""
    return latest is not None and latest > _killed_at(sighting) + _SAME


def _killed_at(sighting: Sighting) -> datetime:
    told = sighting.details.get("killed_at")
    return datetime.fromisoformat(told) if told else sighting.first_at


def _kills(engine: Engine, seen: Sequence[Sighting], now: datetime) -> dict[str, datetime]:
    told = [_killed_at(sighting) for sighting in seen if name(sighting) == "ContainerOOMKilled"]
    until = int(now.timestamp()) - 1
    if not told or min(told).timestamp() >= until:
        return {}
    latest: dict[str, datetime] = {}
    for event in engine.oom_events(int(min(told).timestamp()), until):
        actor: Mapping[str, Any] = event.get("Actor") or {}
        container = str((actor.get("Attributes") or {}).get("name", ""))
        when = datetime.fromtimestamp(event.get("timeNano", 0) / 1e9 or event.get("time", 0), now.tzinfo)
        latest[container] = max(when, latest.get(container, when))
    return latest


def _container(sighting: Sighting) -> str:
    return sighting.labels.get("container", "")
