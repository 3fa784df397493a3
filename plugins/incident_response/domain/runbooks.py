"""Runbook: a written, executable response; Remediation: one run of it; and the guard that may refuse it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .incidents import Incident
from .severities import Severity

# Every action a step may name, and whether it changes anything (then a guard has to come before it).
ACTIONS: Mapping[str, bool] = {
    "guard": False,
    "airflow.diagnose": False,
    "airflow.clear_failed": True,
    "airflow.await_runs": False,
    "airflow.verify_green": False,
}


class Mode(str, Enum):
    """How far a runbook may go by itself."""

    AUTO = "auto"
    MANUAL = "manual"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class Step:
    """One step: a name, the action it runs, and the action's parameters."""

    name: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Runbook:
    """A file of include/runbooks, validated."""

    name: str
    version: int
    title: str
    text: str  # Markdown for people: symptoms, cautions, manual fall-back
    steps: tuple[Step, ...]
    mode: Mode = Mode.AUTO
    most_severe: Severity = Severity.P1  # automation allowed up to this severity
    attempts: int = 2  # per target and window
    window: timedelta = timedelta(hours=6)
    cooldown: timedelta = timedelta(minutes=5)  # pause between two remediations of one target
    time_limit: timedelta = timedelta(hours=2)  # after this a person is paged
    max_targets: int = 5  # blast radius of one remediation
    hold_down: timedelta | None = None  # None: the policy's
    escalate_to: int = 2  # level that is paged when it fails (procedures §4.1)

    @property
    def written(self) -> bool:
        """True for a text without steps: people follow it, and no DAG does."""
        return not self.steps


class RemediationState(str, Enum):
    """Where one remediation stands."""

    REQUESTED = "requested"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
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


@dataclass(frozen=True)
class Verdict:
    """The guard's answer, always with its named reason."""

    allowed: bool
    reason: str
    explanation: str


def may_run(
    runbook: Runbook,
    incident: Incident,
    remediation: Remediation,
    history: Sequence[Remediation],
    targets: int,
    now: datetime,
) -> Verdict:
    """May this remediation act now? `history` holds the earlier ones of the same target, newest first.

    A person who asked for it by name passes mode and flapping, never the limits that protect the platform.
    """
    by_person = not remediation.requested_by.startswith("system:")
    acted = [
        past for past in history if past.state not in (RemediationState.REQUESTED, RemediationState.REFUSED)
    ]
    recent = [past for past in acted if (past.started_at or past.requested_at) > now - runbook.window]
    last = max((past.ended_at for past in acted if past.ended_at), default=None)
    if not incident.status.is_open:
        return Verdict(
            False, "not open", f"{incident.key} is {incident.status.value}; there is nothing to repair"
        )
    if any(past.state is RemediationState.RUNNING for past in history):
        return Verdict(False, "target busy", f"another remediation is working on {remediation.target}")
    if runbook.mode is Mode.DRY_RUN:
        return Verdict(
            False, "dry run", f"{runbook.name} is in dry_run: it shows what it would do and does nothing"
        )
    if runbook.mode is Mode.MANUAL and not by_person:
        return Verdict(False, "manual", f"{runbook.name} starts only when a person asks for it")
    if incident.severity.worse_than(runbook.most_severe) and not by_person:
        return Verdict(
            False, "severity ceiling", f"{runbook.name} repairs up to {runbook.most_severe.value} by itself"
        )
    if incident.flapping and not by_person:
        return Verdict(False, "flapping", "the trouble came back after it seemed fixed; a person has to look")
    if targets > runbook.max_targets:
        return Verdict(
            False,
            "blast radius",
            f"{targets} runs would be touched, {runbook.max_targets} are allowed at once",
        )
    if len(recent) >= runbook.attempts:
        return Verdict(
            False,
            "attempts",
            f"{runbook.name} ran {len(recent)} times on {remediation.target} within {runbook.window}",
        )
    if last is not None and now < last + runbook.cooldown:
        return Verdict(
            False,
            "cooldown",
            f"the last remediation of {remediation.target} ended at {last:%H:%M:%S} UTC, "
            f"{runbook.cooldown} must pass",
        )
    return Verdict(
        True, "allowed", f"attempt {len(recent) + 1} of {runbook.attempts} on {remediation.target}"
    )
