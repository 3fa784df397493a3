"""The guard: may this remediation act now? One function, one named reason for each yes and no (design §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .automation import BREAKER, Lease, Limits, Switch
from .incidents import Incident
from .runbooks import Mode, Remediation, RemediationState, Runbook
from .times import in_words


@dataclass(frozen=True)
class Verdict:
    """The guard's answer, always with its named reason."""

    allowed: bool
    reason: str
    explanation: str


@dataclass(frozen=True)
class Circumstances:
    """What the guard has to know beside the incident, the runbook and the remediation."""

    targets: int  # things that would be changed
    history: Sequence[Remediation] = ()  # earlier ones of the same target, newest first
    acted: int = 0  # remediations of all incidents that acted by themselves within the last hour
    limits: Limits = field(default_factory=Limits)
    switches: Sequence[Switch] = ()  # those that are off
    lease: Lease | None = None  # of somebody else on the same target
    window: str = ""  # the maintenance window or silence that the service is in
    approved_by: str = ""  # the person who has seen the plan and said yes
    asks: str = ""  # why what is planned needs that, whatever the runbook's mode; empty: it does not


def may_run(
    runbook: Runbook, incident: Incident, remediation: Remediation, around: Circumstances, now: datetime
) -> Verdict:
    """May this remediation act now?

    A person who asked for it by name passes mode, ceiling, flapping, maintenance and the breaker; never the
    kill switch, an approval, or what protects the target.
    """
    by_person = not remediation.requested_by.startswith("system:")
    refusal = _over(incident) or _switched_off(around, by_person)
    if refusal is None and not by_person:
        refusal = _not_by_itself(runbook, incident, around)
    refusal = refusal or _mode(runbook, incident, around) or _target(runbook, remediation, around, now)
    if refusal is not None:
        return refusal
    attempt = len(_recent(runbook, around.history, now)) + 1
    approved = f", approved by {around.approved_by}" if around.approved_by else ""
    return Verdict(
        True, "allowed", f"attempt {attempt} of {runbook.attempts} on {remediation.target}{approved}"
    )


def trips(around: Circumstances) -> bool:
    """True when one more remediation that acts by itself is one too many: the breaker opens."""
    return around.acted >= around.limits.per_hour


def _over(incident: Incident) -> Verdict | None:
    if incident.status.is_open:
        return None
    return Verdict(
        False, "not open", f"{incident.key} is {incident.status.value}; there is nothing to repair"
    )


def _switched_off(around: Circumstances, by_person: bool) -> Verdict | None:
    for switch in around.switches:
        if switch.enabled or (by_person and switch.name == BREAKER):
            continue
        if switch.name == BREAKER:
            return Verdict(
                False, "breaker", f"the breaker is open: {switch.reason}; a person has to reset it"
            )
        return Verdict(False, "kill switch", f"{switch.set_by} has switched automation off: {switch.reason}")
    return None


def _not_by_itself(runbook: Runbook, incident: Incident, around: Circumstances) -> Verdict | None:
    """What a person may decide otherwise."""
    if trips(around):
        return Verdict(
            False,
            "breaker",
            f"{around.acted} runbooks acted by themselves within an hour, {around.limits.per_hour} may",
        )
    if around.window:
        return Verdict(False, "maintenance window", f"{incident.service} is under {around.window}")
    if runbook.mode_for(incident.severity) is Mode.MANUAL:
        return Verdict(False, "manual", f"{runbook.name} starts only when a person asks for it")
    if incident.severity.worse_than(runbook.most_severe):
        return Verdict(
            False, "severity ceiling", f"{runbook.name} repairs up to {runbook.most_severe.value} by itself"
        )
    if incident.flapping:
        return Verdict(False, "flapping", "the trouble came back after it seemed fixed; a person has to look")
    return None


def _mode(runbook: Runbook, incident: Incident, around: Circumstances) -> Verdict | None:
    mode = runbook.mode_for(incident.severity)
    if mode is Mode.DRY_RUN:
        return Verdict(
            False, "dry run", f"{runbook.name} is in dry_run: it shows what it would do and does nothing"
        )
    if mode is Mode.APPROVE and not around.approved_by:
        return Verdict(False, "approval", f"nobody approved it within {in_words(runbook.approve_within)}")
    if around.asks and not around.approved_by:
        return Verdict(False, "approval", f"nobody approved what is planned: {around.asks}")
    return None


def _target(
    runbook: Runbook, remediation: Remediation, around: Circumstances, now: datetime
) -> Verdict | None:
    """What protects the target, whoever asks."""
    if around.targets > runbook.max_targets:
        return Verdict(
            False,
            "blast radius",
            f"{around.targets} things would be touched, {runbook.max_targets} are allowed at once",
        )
    if (lease := around.lease) is not None:
        other = f"attempt {lease.attempt} of INC-{lease.incident}"
        if lease.expires_at > now:
            return Verdict(False, "target busy", f"{other} is working on {remediation.target}")
        return Verdict(
            False,
            "expired lease",
            f"{other} gave no sign of life until {lease.expires_at:%H:%M:%S} UTC; what it has done to "
            f"{remediation.target} is unknown",
        )
    if any(past.state is RemediationState.RUNNING for past in around.history) and around.lease is None:
        return Verdict(False, "target busy", f"another remediation is working on {remediation.target}")
    recent = _recent(runbook, around.history, now)
    if len(recent) >= runbook.attempts:
        within = in_words(runbook.window)
        return Verdict(
            False,
            "attempts",
            f"{runbook.name} ran {len(recent)} times on {remediation.target} within {within}",
        )
    last = max((past.ended_at for past in _acted(around.history) if past.ended_at), default=None)
    if last is not None and now < last + runbook.cooldown:
        return Verdict(
            False,
            "cooldown",
            f"the last remediation of {remediation.target} ended at {last:%H:%M:%S} UTC, "
            f"{in_words(runbook.cooldown)} must pass",
        )
    return None


def _acted(history: Sequence[Remediation]) -> list[Remediation]:
    quiet = (RemediationState.REQUESTED, RemediationState.REFUSED)
    return [past for past in history if past.state not in quiet]


def _recent(runbook: Runbook, history: Sequence[Remediation], now: datetime) -> list[Remediation]:
    since = now - runbook.window
    return [past for past in _acted(history) if (past.started_at or past.requested_at) > since]
