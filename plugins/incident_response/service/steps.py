"""Steps: the rows of a step in the store, and the scene that its action is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Scene
from incident_response.domain.ports import Store
from incident_response.domain.runbooks import Runbook, Step, StepResult, StepState, resolved
from incident_response.domain.timeline import EventKind, TimelineEvent

from .evidence import Evidence
from .job import Job
from .remediation import Remediations


class Steps:
    """What all that runs steps has. `action` makes an action by name, `model` checks its parameters."""

    def __init__(
        self,
        store: Store,
        remediations: Remediations,
        find: Callable[[str], Runbook | None],
        action: Callable[[str], Any],
        model: Callable[[str, Mapping[str, Any]], Any],
        evidence: Evidence,
    ) -> None:
        self._store, self._remediations, self._find = store, remediations, find
        self._action, self._model, self._evidence = action, model, evidence

    def _scene(self, job: Job, step: Step) -> Scene:
        values = job.runbook.values(job.remediation.parameters)
        done = {
            f"{name}:{target}": entry.get("data", {})
            for name, result in job.results.items()
            for target, entry in (result.data.get("done") or {}).items()
            if isinstance(entry, Mapping)
        }
        return Scene(
            incident=job.incident,
            sightings=job.sightings,
            parameters=self._model(step.action, resolved(step.parameters, values)),
            found={name: result.data for name, result in job.results.items()},
            done=done,
            seconds=step.within.total_seconds(),
            attempt=job.remediation.attempt,
            started_at=job.remediation.started_at,
            asked_at=job.remediation.requested_at if job.remediation.by_person else None,
        )

    def _begun(self, job: Job, name: str, now: datetime) -> StepResult:
        began = StepResult(job.incident.number, job.remediation.attempt, name, StepState.RUNNING, now)
        self._remediations.put_step(began)
        return began

    def _end(self, job: Job, began: StepResult, state: StepState, text: str, now: datetime) -> StepResult:
        ended = replace(began, state=state, text=text[:2000], ended_at=now)
        event = None
        if state is not StepState.DONE or began.step.startswith("verify"):
            data = {"attempt": began.attempt, "step": began.step, "state": state.value}
            verdict = "Proven" if state is StepState.DONE else f"Step {began.step} {state.value}"
            event = TimelineEvent(now, EventKind.REMEDIATION, job.by, f"{verdict}: {text}"[:2000], data)
        self._remediations.put_step(ended, event)
        return ended

    def _skip(self, job: Job, name: str, why: str, now: datetime) -> str:
        self._remediations.put_step(self._skipped(job, name, why, now))
        return why

    @staticmethod
    def _skipped(job: Job, name: str, why: str, now: datetime) -> StepResult:
        number, attempt = job.incident.number, job.remediation.attempt
        return StepResult(number, attempt, name, StepState.SKIPPED, now, why, ended_at=now)
