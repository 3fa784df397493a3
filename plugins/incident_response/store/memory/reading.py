"""Reading incidents and all that belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from incident_response.domain.incidents import Incident
from incident_response.domain.records import BoardRow, Role, Sighting
from incident_response.domain.runbooks import APPROVE, Remediation, StepState
from incident_response.domain.services import called
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import Firing
from incident_response.domain.transactions import EVERY

from ..documents import clean
from ..rules import not_found
from .state import Part


class Reading(Part):
    """What is known of incidents."""

    def get(self, number: int) -> Incident:
        if number not in self._state.incidents:
            raise not_found(number)
        return self._state.incidents[number]

    def board(self, limit: int) -> Sequence[BoardRow]:
        found = [incident for incident in self._state.incidents.values() if incident.status.is_open]
        # An aware time is no key beside None, so its lack is told first.
        found.sort(key=lambda i: (i.next_due_at is None, i.next_due_at or i.opened_at, i.number))
        return [self._board_row(incident) for incident in found[:limit]]

    def _board_row(self, incident: Incident) -> BoardRow:
        sightings, timeline = self.sightings(incident.number), self.timeline(incident.number)
        remediations = self.remediations(incident.number)
        follow = [s for s in sightings if s.role is Role.CONSEQUENCE and s.firing]
        return BoardRow(
            incident=incident,
            signals=sum(sighting.count for sighting in sightings),
            sources=len(sightings),
            last_signal_at=max((sighting.last_at for sighting in sightings), default=None),
            last_event=timeline[-1] if timeline else None,
            remediation=remediations[-1] if remediations else None,
            asks=self._asks(incident),
            behind=len({called(sighting.labels) or sighting.fingerprint for sighting in follow}),
        )

    def _asks(self, incident: Incident) -> bool:
        asked = [step for step in self._state.steps.values() if step.step == APPROVE]
        return any(step.incident == incident.number and step.state is StepState.RUNNING for step in asked)

    def recent(self, since: datetime, limit: int) -> Sequence[Incident]:
        ended = [
            (incident.resolved_at, incident.number, incident)
            for incident in self._state.incidents.values()
            if not incident.status.is_open and incident.resolved_at and incident.resolved_at >= since
        ]
        return [incident for *_, incident in sorted(ended, reverse=True)[:limit]]

    def timeline(self, number: int, limit: int = 1000) -> Sequence[TimelineEvent]:
        events = sorted(self._state.events.get(number, ()), key=lambda event: event.at)
        return events[max(len(events) - limit, 0) :]

    def sightings(self, number: int, limit: int = EVERY) -> Sequence[Sighting]:
        found = [sighting for sighting in self._state.signals.values() if sighting.incident == number]
        return sorted(found, key=lambda s: (s.first_at, s.source, s.fingerprint))[:limit]

    def open_sightings(
        self, source: str, limit: int = EVERY, labels: Mapping[str, str] | None = None
    ) -> Sequence[Sighting]:
        wanted = {name: clean(text) for name, text in (labels or {}).items()}
        found = [
            s
            for s in self._state.signals.values()
            if s.source == source
            and self._state.incidents[s.incident].status.is_open
            and all(s.labels.get(name) == text for name, text in wanted.items())
        ]
        found.sort(key=lambda s: (s.incident, s.fingerprint))
        return sorted(found, key=lambda s: s.last_at, reverse=True)[:limit]

    def live(self, after: tuple[int, str, str], limit: int) -> Sequence[Sighting]:
        found = {
            (s.incident, s.source, s.fingerprint): s
            for s in self._state.signals.values()
            if s.firing and s.role is Role.OWN and self._state.incidents[s.incident].status.is_open
        }
        return [found[key] for key in sorted(found) if key > after][:limit]

    def firings(self, number: int) -> Sequence[Firing]:
        found = [firing for firing in self._state.firings.values() if firing.incident == number]
        return sorted(found, key=lambda f: (f.due_at, f.fired_at, f.kind.value))

    def remediations(self, number: int) -> Sequence[Remediation]:
        found = [r for r in self._state.remediations.values() if r.incident == number]
        return sorted(found, key=lambda remediation: remediation.attempt)

    def remediation_history(self, runbook: str, target: str, since: datetime) -> Sequence[Remediation]:
        found = [
            r
            for r in self._state.remediations.values()
            if (r.runbook, r.target) == (runbook, target) and (r.ended_at is None or r.ended_at >= since)
        ]
        return sorted(found, key=lambda r: (r.requested_at, r.incident, r.attempt), reverse=True)
