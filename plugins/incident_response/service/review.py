"""Review: the facts of the incident report (procedures §6.1), from the timeline; what people still have to
add.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from incident_response.domain.commands import REVIEW_PARTS
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Renderer, Store
from incident_response.domain.runbooks import StepResult, StepState
from incident_response.domain.timeline import EventKind, TimelineEvent

_MILESTONES = (
    ("Incident detected", (EventKind.OPENED,)),
    ("Investigation started", (EventKind.INVESTIGATING, EventKind.ACKNOWLEDGED, EventKind.EVIDENCE)),
    ("Root cause identified", (EventKind.CAUSE,)),
    ("Resolution implemented", (EventKind.MITIGATED,)),
    ("Incident resolved", (EventKind.RESOLVED,)),
)
_LISTED = frozenset(EventKind) - {EventKind.DELIVERED, EventKind.EVIDENCE, EventKind.SIGNAL}


class Review:
    """Makes incident reports."""

    def __init__(self, store: Store, renderer: Renderer) -> None:
        self._store, self._renderer = store, renderer

    def report(self, number: int) -> str:
        """The report as it can be written now, Markdown. Raises IncidentNotFound."""
        with self._store.read() as tx:
            incident = tx.get(number)
            timeline, sightings = tx.timeline(number), tx.sightings(number)
            remediations, firings = tx.remediations(number), tx.firings(number)
            steps, exhibits = tx.steps(number), tx.exhibits(number)
        return self._renderer.report(
            {
                "incident": incident,
                "duration": _duration(incident),
                "systems": sorted(
                    {incident.service, *(s.labels.get("service", incident.service) for s in sightings)}
                ),
                "signals": sum(sighting.count for sighting in sightings),
                "sources": sorted({sighting.source for sighting in sightings}),
                "milestones": _milestones(timeline),
                "timeline": [event for event in timeline if event.kind in _LISTED],
                "remediations": [(one, _told(steps, one.attempt)) for one in remediations],
                "exhibits": exhibits,
                "firings": firings,
                "review": {part: incident.review.get(part, "") for part in REVIEW_PARTS},
                "missing": missing_parts(incident),
            }
        )


def missing_parts(incident: Incident) -> list[str]:
    """The parts of the report that only people know and nobody has written yet."""
    written = {part for part, text in incident.review.items() if text.strip()}
    return [
        part
        for part in REVIEW_PARTS
        if part not in written and not (part == "resolution" and incident.resolution)
    ]


def _milestones(timeline: Sequence[TimelineEvent]) -> list[tuple[str, TimelineEvent | None]]:
    """The five lines of the template; a milestone that never happened has None."""
    found: list[tuple[str, TimelineEvent | None]] = []
    for name, kinds in _MILESTONES:
        last = name in ("Incident resolved", "Resolution implemented", "Root cause identified")
        events = [event for event in timeline if event.kind in kinds]
        found.append((name, (events[-1] if last else events[0]) if events else None))
    return found


def _told(steps: Sequence[StepResult], attempt: int) -> list[tuple[str, StepResult]]:
    """What each step of an attempt did, in order; what was left out is left out here, too."""
    left_out = (StepState.SKIPPED,)
    return [(_word(one), one) for one in steps if one.attempt == attempt and one.state not in left_out]


def _word(step: StepResult) -> str:
    proof = step.step.startswith("verify") and step.state is StepState.DONE
    return "proved it" if proof else step.state.value


def _duration(incident: Incident) -> timedelta | None:
    return incident.resolved_at - incident.opened_at if incident.resolved_at else None
