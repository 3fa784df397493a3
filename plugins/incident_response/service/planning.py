"""Planning: all that may be changed, told before; a person approves it, and the guard counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Planned
from incident_response.domain.errors import Refused
from incident_response.domain.runbooks import APPROVE, Phase, RemediationState, StepResult, StepState
from incident_response.domain.timeline import EventKind, TimelineEvent

from .job import MOST_TEXTS, PLAN, Job
from .steps import Steps


class Planning(Steps):
    """What comes before the first change."""

    def plan(self, job: Job, now: datetime) -> str:
        """Plan all that may be changed: what a person approves, and what the guard counts."""
        if (before := job.result(PLAN)) is not None:
            return before.text
        began = self._begun(job, PLAN, now)
        plans: dict[str, list[dict[str, Any]]] = {}
        refused: dict[str, str] = {}
        steps = [step for step in job.runbook.steps if step.phase in (Phase.CONTAIN, Phase.REPAIR)]
        fitting = [step for step in steps if step.applies(job.causes, job.about)]
        for step in fitting:
            try:
                plans[step.name] = as_data(self._action(step.action).plan(self._scene(job, step)))
            except Refused as error:
                refused[step.name] = str(error)
        lines = [f"{step}: {entry['text']}" for step, entries in plans.items() for entry in entries]
        lines += [f"{step} is refused: {why}" for step, why in refused.items()]
        if not fitting and steps:
            found = ", ".join(job.causes) or "nothing"
            lines = [f"nothing in {job.runbook.name} fits what was found ({found})"]
        text = f"Plan: {'; '.join(lines[:MOST_TEXTS]) or 'there is nothing to change, only to verify'}"
        data = {"steps": plans, "refused": refused, "fits": bool(fitting) or not steps}
        done = replace(began, state=StepState.DONE, text=text, data=data, ended_at=now)
        event = TimelineEvent(now, EventKind.REMEDIATION, job.by, text, {"attempt": done.attempt})
        self._remediations.put_step(done, event)
        return text

    def guard(self, job: Job, now: datetime) -> tuple[bool, str]:
        """May it act? No ends the remediation."""
        plan = job.results[PLAN].data
        number, attempt = job.incident.number, job.remediation.attempt
        if not plan["fits"]:
            reason = f"nothing fits: {job.results[PLAN].text}"
            self._remediations.end(number, attempt, RemediationState.REFUSED, reason, now, job.causes)
            return False, reason
        rungs = job.rungs or job.runbook.of(Phase.CONTAIN)
        repairs = {step.name for step in rungs}
        # An attempt that finds nothing for itself to do is none: what was in the way of the others still is.
        if repairs & set(plan["refused"]) and not any(job.plan.get(name) for name in repairs):
            reason = "; ".join(plan["refused"].values())
            self._remediations.end(number, attempt, RemediationState.REFUSED, reason, now, job.causes)
            return False, reason
        if not job.targets:
            return True, "nothing to change, only to verify"
        verdict = self._remediations.begin(number, attempt, job.targets, now)
        return verdict.allowed, f"{verdict.reason}: {verdict.explanation}"

    def ask(self, job: Job, now: datetime) -> None:
        """A person is asked to approve the plan."""
        if APPROVE not in job.results:
            number, attempt = job.incident.number, job.remediation.attempt
            until = f"{now + job.runbook.approve_within:%H:%M:%S} UTC"
            text = f"{job.runbook.name} waits for an approval until {until}. "
            asked = StepResult(number, attempt, APPROVE, StepState.RUNNING, now)
            self._remediations.ask(asked, f"{text}{job.results[PLAN].text}"[:1000], job.by, now)


def as_data(plan: Sequence[Planned]) -> list[dict[str, Any]]:
    """As it is written down, and as a person approves it."""
    return [{"target": one.target, "text": one.text, "data": dict(one.data)} for one in plan]
