"""Decisions that are the same in every kind of store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from incident_response.domain.changes import Change
from incident_response.domain.errors import BadInput, IllegalTransition, IncidentNotFound
from incident_response.domain.incidents import Incident
from incident_response.domain.records import OutgoingState, Parcel
from incident_response.domain.signals import Signal

LATE = timedelta(seconds=15)  # a due point older than this is overdue


def rank(incident: Incident) -> tuple[bool, datetime]:
    """Of one dedup_key the highest counts: open before resolved, then the latest."""
    return incident.status.is_open, incident.resolved_at or incident.opened_at


def has_the_last_word(signal: Signal, before: Signal) -> bool:
    """Of one thing what arrives counts; of happenings what happened later, whenever it is told."""
    return not signal.occurrence or signal.occurred_at >= before.occurred_at


def claimed(parcel: Parcel) -> Parcel:
    """A parcel as its claimer gets it. Once interrupted, always so: a later attempt may still be a repeat."""
    interrupted = parcel.interrupted or parcel.state is OutgoingState.SENDING
    state = OutgoingState.SENDING
    return replace(parcel, state=state, attempts=parcel.attempts + 1, interrupted=interrupted)


def created_at(change: Change) -> datetime:
    """When the messages of a change were written: with its latest fact, else when the first is due."""
    if change.events:
        return max(event.at for event in change.events)
    return min(outgoing.due_at for outgoing in change.outgoing)


def second_open(*incidents: Incident) -> IllegalTransition:
    """For changes that would make two open incidents of one cause."""
    keys = ", ".join(incident.key for incident in incidents)
    return IllegalTransition(
        f"another incident of the same cause is open already; {keys} cannot be open, too"
    )


def not_found(number: int) -> IncidentNotFound:
    """For a number that no incident has."""
    return IncidentNotFound(f"There is no incident INC-{number}")


def no_policy(digest: str) -> BadInput:
    """For a digest under which nothing is kept."""
    return BadInput(f"no escalation policy is kept under {digest!r}")
