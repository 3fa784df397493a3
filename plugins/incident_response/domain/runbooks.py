"""Runbook: a written, executable response; Remediation: one run of it, step by step."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .severities import Scenario, Severity

_REFERENCE = re.compile(r"\$([a-z][a-z0-9_]*)")


PAUSE = "check.wait"  # the action that looks at nothing
APPROVE = "approve"  # the step of a remediation that waits for a person, and holds who it was


class Mode(str, Enum):
    """How far a runbook may go by itself."""

    AUTO = "auto"
    APPROVE = "approve"  # it plans; a person says yes before anything is changed
    MANUAL = "manual"  # it starts only when a person asks for it
    DRY_RUN = "dry_run"  # it looks and plans, and changes nothing


class Phase(str, Enum):
    """What a step is for; a runbook goes through them in this order."""

    DIAGNOSE = "diagnose"  # look; what is found is kept before anything is changed
    CONTAIN = "contain"  # stop it from spreading
    REPAIR = "repair"  # an ordered ladder: the next attempt only when the one before proved nothing
    VERIFY = "verify"  # asked after each attempt
    RESTORE = "restore"  # take back what contained it


@dataclass(frozen=True)
class Step:
    """One step: a name, the action it runs, and the action's parameters."""

    name: str
    phase: Phase
    action: str = ""  # empty: it undoes another step
    parameters: Mapping[str, Any] = field(default_factory=dict)  # `$lines` stands for the runbook's parameter
    changes: bool = False  # what it does changes something: a guard comes before it
    checks: bool = False  # what it does is asked again until it knows
    when: tuple[str, ...] = ()  # only when one of these causes was found; empty: always
    unless: tuple[str, ...] = ()  # not when one of these was found
    services: tuple[str, ...] = ()  # only in incidents about one of these; empty: in all
    within: timedelta = timedelta(minutes=1)  # its time; for a check: how long it may take until it is proven
    goes_on: bool = False  # its error does not end the remediation
    undoes: str = ""  # the step whose changes it takes back
    may_ask: bool = False  # what it plans may need a person's approval, whatever the runbook's mode

    @property
    def looks(self) -> bool:
        """True when it sees something: a pause proves nothing."""
        return self.action != PAUSE

    def applies(self, causes: Collection[str], about: Collection[str]) -> bool:
        """Is it wanted, after these causes were found, in an incident about these services?"""
        wanted = not self.when or any(cause in causes for cause in self.when)
        return wanted and self.concerns(about) and not any(cause in causes for cause in self.unless)

    def concerns(self, about: Collection[str]) -> bool:
        """Is it meant for an incident about these services?"""
        return not self.services or any(service in about for service in self.services)


def resolved(given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A step's parameters with the runbook's in their places. Raises KeyError for one that there is not."""
    return {name: _resolved(value, values) for name, value in given.items()}


def _resolved(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
        return values[found.group(1)]
    if isinstance(value, Mapping):
        return resolved(value, values)
    return [_resolved(item, values) for item in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Setting:
    """A parameter of a runbook: a field of its form, with a default."""

    name: str
    default: Any
    text: str = ""  # for people
    schema: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema: type, minimum, maximum, enum


@dataclass(frozen=True)
class Runbook:
    """A file of include/runbooks, validated."""

    name: str
    version: int
    title: str
    text: str  # Markdown for people: symptoms, cautions, manual fall-back
    steps: tuple[Step, ...]
    mode: Mode = Mode.AUTO
    modes: Mapping[Severity, Mode] = field(default_factory=dict)  # where a severity has another mode
    scenarios: tuple[Scenario, ...] = ()  # what it is for: the page offers it for these
    settings: tuple[Setting, ...] = ()
    most_severe: Severity = Severity.P1  # automation allowed up to this severity
    attempts: int = 2  # per target and window
    window: timedelta = timedelta(hours=6)
    cooldown: timedelta = timedelta(minutes=5)  # pause between two remediations of one target
    time_limit: timedelta = timedelta(hours=2)  # after this a person is paged
    approve_within: timedelta = timedelta(minutes=15)  # no answer until then: it escalates, and never acts
    max_targets: int = 5  # blast radius of one remediation
    hold_down: timedelta | None = None  # None: the policy's
    escalate_to: int = 2  # level that is paged when it fails (procedures §4.1)
    escalate_by_cause: Mapping[str, int] = field(default_factory=dict)  # where a cause has another level

    @property
    def written(self) -> bool:
        """True for a text without steps: people follow it, and no DAG does."""
        return not self.steps

    @property
    def practises(self) -> bool:
        """True when it changes nothing and looks at nothing to prove it: it is for exercises only."""
        verify = self.of(Phase.VERIFY)
        return (
            bool(verify) and not any(step.changes for step in self.steps) and not any(v.looks for v in verify)
        )

    def of(self, phase: Phase) -> tuple[Step, ...]:
        """The steps of a phase, in order."""
        return tuple(step for step in self.steps if step.phase is phase)

    def step(self, name: str) -> Step | None:
        """A step by name."""
        return next((step for step in self.steps if step.name == name), None)

    def mode_for(self, severity: Severity) -> Mode:
        """How far it may go by itself in an incident of this severity."""
        return self.modes.get(severity, self.mode)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Its parameters: what a person gave, else the defaults."""
        return {setting.name: given.get(setting.name, setting.default) for setting in self.settings}

    @property
    def asks(self) -> bool:
        """True when a person may have to approve it: at some severity, or because of what it plans."""
        may_ask = any(step.may_ask for step in self.steps)
        return may_ask or Mode.APPROVE in (self.mode, *self.modes.values())

    def level(self, causes: Collection[str]) -> int:
        """Who is paged when it fails: the highest level that a cause names, else its own."""
        named = [self.escalate_by_cause[cause] for cause in causes if cause in self.escalate_by_cause]
        return max(named, default=self.escalate_to)


class RemediationState(str, Enum):
    """Where one remediation stands."""

    REQUESTED = "requested"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CONTAINED = "contained"  # it does not spread any more, and people go on from there
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """True when nothing more will happen in it."""
        return self not in (RemediationState.REQUESTED, RemediationState.RUNNING)


@dataclass(frozen=True)
class Remediation:
    """One run of a runbook for an incident; `run_id` names its DAG run."""

    incident: int
    runbook: str
    attempt: int  # 1, 2, … within the incident
    target: str  # what it acts on: `dag:<dag_id>`
    run_id: str
    requested_by: str
    requested_at: datetime
    state: RemediationState = RemediationState.REQUESTED
    reason: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # those that a person gave, by name

    @property
    def by_person(self) -> bool:
        """True when somebody asked for it by name."""
        return not self.requested_by.startswith("system:")


class StepState(str, Enum):
    """Where one step of a remediation stands."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNKNOWN = "unknown"  # interrupted, and nobody can tell what it did


@dataclass(frozen=True)
class StepResult:
    """What became of one step of a remediation; one row, written when it begins and when it ends."""

    incident: int
    attempt: int
    step: str
    state: StepState
    started_at: datetime
    text: str = ""  # for people
    data: Mapping[str, Any] = field(default_factory=dict)  # a finding's data, a plan, an approval: JSON
    causes: Mapping[str, Any] = field(default_factory=dict)  # names that were found
    ended_at: datetime | None = None
