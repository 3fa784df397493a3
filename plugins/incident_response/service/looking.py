"""Looking: steps that read; what they find is kept before anything is changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from incident_response.domain.actions import Finding
from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.runbooks import Step, StepState
from incident_response.domain.timeline import EventKind, TimelineEvent

from .job import Job, unfit
from .steps import Steps


class Looking(Steps):
    """Each step once."""

    def look(self, job: Job, step: Step, now: datetime) -> str:
        """Run a step that reads; what it found is kept before anything is changed."""
        if (before := job.result(step.name)) is not None:
            return before.text
        if not step.applies(job.causes, job.about):
            return self._skip(job, step.name, unfit(job, step), now)
        began = self._begun(job, step.name, now)
        try:
            finding: Finding = self._action(step.action).look(self._scene(job, step))
        except IncidentResponseError as error:
            if not step.goes_on:
                raise
            return self._end(job, began, StepState.FAILED, f"{step.name}: {error}", now).text
        kept, note = self._evidence.keep(
            job.incident, job.remediation.attempt, step.name, finding.exhibits, now
        )
        text = f"{finding.text}{note}"
        causes = dict.fromkeys(finding.causes, True)
        done = replace(
            began, state=StepState.DONE, text=text, data=dict(finding.data), causes=causes, ended_at=now
        )
        data = {"attempt": done.attempt, "step": step.name, **({"causes": list(causes)} if causes else {})}
        data |= {"exhibits": kept} if kept else {}
        self._remediations.put_step(done, TimelineEvent(now, EventKind.EVIDENCE, job.by, text, data))
        return text
