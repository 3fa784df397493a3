"""What bounds all automation together: leases on targets, the kill switch, the breaker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LEASE = timedelta(minutes=15)  # renewed by each sign of life; when it runs out, nobody knows what goes on
KILL_SWITCH = "automation"  # off: no runbook acts by itself
BREAKER = "breaker"  # off: too many acted within an hour; a person has to look, and resets it


@dataclass(frozen=True)
class Lease:
    """Only one remediation works on a target."""

    target: str
    incident: int
    attempt: int
    taken_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Touch:
    """One remediation's work on one thing of its plan, whatever incident asked for it."""

    target: str  # as planned: `run:dag/run_id`, `container:keycloak`
    incident: int
    attempt: int
    started_at: datetime  # of the remediation, as its end
    ended_at: datetime | None


def target_of(key: str) -> str:
    """The thing that the key of an effect is about: `INC-42:1:clear:run:dag/run_id`."""
    return key.split(":", 3)[-1]


@dataclass(frozen=True)
class Switch:
    """A switch for all automation: as people, or the breaker, have left it."""

    name: str
    enabled: bool
    reason: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True)
class Limits:
    """What holds for all runbooks together (include/policy/automation.yaml)."""

    per_hour: int = 10  # remediations that acted by themselves; one more trips the breaker
