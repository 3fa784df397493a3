"""All that the store in memory holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incident_response.domain.automation import Lease, Switch
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.incidents import Incident
from incident_response.domain.records import Heartbeat, Held, Integration, Parcel, Poll, Sighting
from incident_response.domain.runbooks import Remediation, StepResult
from incident_response.domain.silences import Silence
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import Firing


@dataclass(frozen=True)
class Row:
    """A parcel with what the databases keep beside it."""

    parcel: Parcel
    next_at: datetime  # pending: when to try; sending: when the claim runs out


@dataclass(frozen=True)
class Effect:
    """A key of a side effect, and what became of it."""

    incident: int
    state: str
    by: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """The text of an escalation policy, and when it was kept."""

    source: str
    at: datetime


@dataclass
class State:
    """Records are frozen, so a copy of the dictionaries is a copy of everything."""

    last_number: int = 0
    last_parcel: int = 0
    incidents: dict[int, Incident] = field(default_factory=dict)
    events: dict[int, tuple[TimelineEvent, ...]] = field(default_factory=dict)
    signals: dict[tuple[int, str, str], Sighting] = field(default_factory=dict)
    outbox: dict[str, Row] = field(default_factory=dict)
    firings: dict[tuple[int, str, datetime], Firing] = field(default_factory=dict)
    remediations: dict[tuple[int, int], Remediation] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)
    polls: dict[str, Poll] = field(default_factory=dict)
    heartbeats: dict[str, Heartbeat] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    integrations: dict[str, Integration] = field(default_factory=dict)
    steps: dict[tuple[int, int, str], StepResult] = field(default_factory=dict)
    exhibits: dict[tuple[int, int, str, str], KeptExhibit] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)

    def copy(self) -> State:
        """A state that can be changed without changing this one."""
        copy = State()
        for name, kept in vars(self).items():
            setattr(copy, name, dict(kept) if isinstance(kept, dict) else kept)
        return copy


class Part:
    """One part of a transaction, over its copy of the state."""

    def __init__(self, state: State) -> None:
        self._state = state
