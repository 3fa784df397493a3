"""What belongs to an incident: consequences in other services, and incidents that became part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from incident_response.domain.records import Role, Sighting
from incident_response.domain.signals import Signal
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.service.groups import again

_MOST = 40  # of each list on one page


@dataclass(frozen=True)
class Consequence:
    """Trouble of another service that follows from the incident."""

    service: str
    sighting: Sighting
    is_released: bool  # it outlived the incident, and was taken in again on its own


@dataclass(frozen=True)
class Related:
    """What belongs to the incident beside its own signals. `merged` is (number, what it was)."""

    consequences: Sequence[Consequence]
    hidden: int
    firing: int
    services: int
    merged: Sequence[tuple[int, str]]
    linked: Sequence[tuple[int, str]] = ()  # incidents up- or downstream that are worked on by themselves


def related(
    sightings: Iterable[Sighting], timeline: Iterable[TimelineEvent], service_of: Callable[[Signal], str]
) -> Related:
    """Firing consequences first, then the latest."""
    facts = list(timeline)
    found = [
        Consequence(service_of(again(seen)), seen, seen.role is Role.RELEASED)
        for seen in sightings
        if seen.role is not Role.OWN
    ]
    found.sort(key=lambda one: one.sighting.last_at, reverse=True)
    found.sort(key=lambda one: not one.sighting.firing)
    firing = [one for one in found if one.sighting.firing and not one.is_released]
    return Related(
        consequences=found[:_MOST],
        hidden=max(len(found) - _MOST, 0),
        firing=len(firing),
        services=len({one.service for one in found}),
        merged=[merged for event in facts if (merged := _merged(event)) is not None],
        linked=[linked for event in facts if (linked := _linked(event)) is not None],
    )


def _merged(event: TimelineEvent) -> tuple[int, str] | None:
    number = event.data.get("merged")
    if event.kind is not EventKind.ATTACHED or not isinstance(number, int):
        return None
    return number, event.text.removeprefix(f"INC-{number}").strip()


def _linked(event: TimelineEvent) -> tuple[int, str] | None:
    number = event.data.get("linked")
    if event.kind is not EventKind.LINKED or not isinstance(number, int):
        return None
    return number, event.text.removeprefix(f"INC-{number}").strip()


def other(event: TimelineEvent) -> int | None:
    """The incident that a fact leads to: what it was merged into, split off from or into."""
    if event.kind not in (EventKind.MERGED, EventKind.ATTACHED, EventKind.SPLIT, EventKind.LINKED):
        return None
    numbers = (event.data.get(name) for name in ("into", "merged", "from", "linked"))
    return next((number for number in numbers if isinstance(number, int)), None)
