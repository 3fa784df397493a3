"""Counts, the question whether anything is due, and what is old enough to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import OutgoingState, Role

from ..rules import LATE
from . import clocks, outbox
from .state import Part, Row


class Housekeeping(Part):
    """The store as a whole."""

    def totals(self, now: datetime) -> Mapping[str, int]:
        incidents = self._state.incidents.values()
        states = [row.parcel.state for row in self._state.outbox.values()]
        return {
            "open": sum(i.status.is_open for i in incidents),
            "unacknowledged": sum(i.status is Status.TRIGGERED for i in incidents),
            "overdue": sum(i.next_due_at is not None and i.next_due_at < now - LATE for i in incidents),
            "outbox_pending": states.count(OutgoingState.PENDING) + states.count(OutgoingState.SENDING),
            "outbox_failed": states.count(OutgoingState.FAILED),
        }

    def is_idle(self, now: datetime) -> bool:
        state = self._state
        return not (
            any(i.next_due_at is not None and i.next_due_at <= now for i in state.incidents.values())
            or any(outbox.is_due(row, now) for row in state.outbox.values())
            or any(
                s.role is Role.CONSEQUENCE and s.firing and not state.incidents[s.incident].status.is_open
                for s in state.signals.values()
            )
            or any(held.until <= now for held in state.held.values())
            or any(clocks.is_due(poll, now) for poll in state.polls.values())
        )

    def places_before(self, before: datetime) -> Sequence[str]:
        incidents = self._state.incidents
        kept = self._state.exhibits.values()
        return sorted(one.place for one in kept if one.place and _is_old(incidents[one.incident], before))

    def prune(self, before: datetime) -> Mapping[str, int]:
        state = self._state
        counts = {
            "outbox": _drop(state.outbox, lambda _, row: _settled_before(row, before)),
            "firings": _drop(state.firings, lambda _, firing: firing.fired_at < before),
            "silences": _drop(state.silences, lambda _, silence: silence.ends_at < before),
            "heartbeats": _drop(state.heartbeats, lambda _, heartbeat: heartbeat.at < before),
        }
        counts["incidents"] = _drop(state.incidents, lambda _, incident: _is_old(incident, before))
        _drop(state.events, lambda number, _: number not in state.incidents)
        for children in (state.signals, state.firings, state.remediations, state.steps, state.exhibits):
            _drop(children, lambda key, _: key[0] not in state.incidents)
        _drop(state.leases, lambda _, lease: lease.incident not in state.incidents)
        _drop(state.outbox, lambda _, row: row.parcel.outgoing.incident not in state.incidents)
        _drop(state.effects, lambda _, effect: effect.incident not in state.incidents)
        return counts


def _is_old(incident: Incident, before: datetime) -> bool:
    closed_at = incident.closed_at
    return incident.status is Status.CLOSED and closed_at is not None and closed_at < before


def _settled_before(row: Row, before: datetime) -> bool:
    return row.parcel.settled_at is not None and row.parcel.settled_at < before


def _drop(kept: dict[Any, Any], condition: Any) -> int:
    """Remove what fulfils the condition; returns how many."""
    gone = [key for key, value in kept.items() if condition(key, value)]
    for key in gone:
        del kept[key]
    return len(gone)
