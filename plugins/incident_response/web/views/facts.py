"""The timeline as the page shows it: facts in three groups, each with what it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from incident_response.domain.timeline import EventKind, TimelineEvent

from .related import other


@dataclass(frozen=True)
class Entry:
    """A fact of the timeline; `key` names it in the page, `group` is people, system or signals.

    `other` is the incident that it leads to, None: to none; `lead` says what the text is about.
    """

    key: str
    event: TimelineEvent
    group: str
    other: int | None
    lead: str


def entries(timeline: Sequence[TimelineEvent]) -> list[Entry]:
    """Newest first; keys count from the oldest, so that they stay when something is added."""
    named = [
        Entry(f"fact-{number}", event, _group(event), other(event), _lead(event))
        for number, event in enumerate(timeline)
    ]
    return named[::-1]


def _group(event: TimelineEvent) -> str:
    if event.by_person:
        return "people"
    if event.kind is EventKind.ATTACHED:  # a consequence is a signal, another incident is grouping's work
        return "system" if "merged" in event.data else "signals"
    return "signals" if event.kind in (EventKind.SIGNAL, EventKind.OPENED, EventKind.REOPENED) else "system"


def _lead(event: TimelineEvent) -> str:
    if event.kind is EventKind.LINKED:
        return "Linked: "
    if event.kind is not EventKind.ATTACHED:
        return ""
    return "Took over " if "merged" in event.data else "Consequence: "
