"""Checking: is it over? Checks are asked again until they know, or their time is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from incident_response.domain.actions import Finding
from incident_response.domain.errors import BadInput, IncidentResponseError
from incident_response.domain.exercises import is_practice
from incident_response.domain.runbooks import Phase, Step, StepState
from incident_response.domain.times import in_words

from .job import Job, is_done, unfit
from .skipping import PROVEN, UNTRIED, check_of, untried
from .steps import Steps


class Checking(Steps):
    """Before anything is changed, and after each attempt."""

    def check(self, job: Job, rung: Step | None, now: datetime) -> tuple[bool | None, str]:
        """Is it over? True: proven; False: not by this attempt; None: not known yet, ask again."""
        name = check_of(rung)
        if (before := job.result(name)) is not None:
            # Asked again after a crash, one that was not needed is still no failure.
            unneeded = before.state is StepState.SKIPPED and bool(job.proof)
            return is_done(before) or unneeded, before.text
        if job.proof:
            return True, self._skip(job, name, PROVEN, now)
        if rung is not None and untried(job, rung):
            return False, self._skip(job, name, UNTRIED, now)
        began = job.results.get(name) or self._begun(job, name, now)
        self._remediations.beat(job.incident.number, job.remediation.attempt, now)
        proven, looked = True, False
        texts: list[str] = []
        checks = [step for step in job.runbook.of(Phase.VERIFY) if step.applies(job.causes, job.about)]
        if not checks:  # nothing to look at proves nothing
            why = f"no check of {job.runbook.name} is meant for {job.incident.service}, so nothing is proven"
            return False, self._end(job, began, StepState.FAILED, why, now).text
        if not any(step.looks for step in checks) and not is_practice(job.incident):
            why = "the checks that are left only wait and look at nothing, so nothing is proven"
            return False, self._end(job, began, StepState.FAILED, why, now).text
        for step in checks:
            found = self._ask(job, step, began.started_at)
            texts.append(found.text)
            if found.proven is None and now > began.started_at + step.within:
                why = f"not proven within {in_words(step.within)}: {found.text}"
                return False, self._end(job, began, StepState.FAILED, why, now).text
            if found.proven is False:
                return False, self._end(job, began, StepState.FAILED, found.text, now).text
            proven = proven and found.proven is True
            looked = looked or not found.empty
        if not proven:
            return None, "; ".join(texts)
        if not looked:
            why = f"nothing could be looked at, so nothing is proven: {'; '.join(texts)}"
            return False, self._end(job, began, StepState.FAILED, why, now).text
        return True, self._end(job, began, StepState.DONE, "; ".join(texts), now).text

    def waits(self, step: Step) -> bool:
        """True for a check before anything is changed."""
        return step.phase is Phase.DIAGNOSE and step.checks

    def await_(self, job: Job, step: Step, now: datetime) -> tuple[bool | None, str]:
        """A check before anything is changed: has what it waits for come? None: ask again."""
        if (before := job.result(step.name)) is not None:
            return before.state is not StepState.FAILED, before.text
        if not step.applies(job.causes, job.about):
            return True, self._skip(job, step.name, unfit(job, step), now)
        began = job.results.get(step.name) or self._begun(job, step.name, now)
        finding = self._ask(job, step, began.started_at)
        found, text = finding.proven, finding.text
        if found is True:
            return True, self._end(job, began, StepState.DONE, text, now).text
        if found is False or now > began.started_at + step.within:
            late = "" if found is False else f"not within {in_words(step.within)}: "
            state = StepState.SKIPPED if step.goes_on else StepState.FAILED
            return False, self._end(job, began, state, f"{late}{text}", now).text
        return None, text

    def _ask(self, job: Job, step: Step, since: datetime | None = None) -> Finding:
        """Ask a check once. `since`: what it waits for is counted from then, when nothing has acted yet."""
        scene = self._scene(job, step)
        try:
            finding: Finding = self._action(step.action).look(
                replace(scene, started_at=scene.started_at or since)
            )
        except BadInput as error:
            return Finding(f"{step.name}: {error}", proven=False)
        except IncidentResponseError as error:  # the system is away: it may come back in time
            return Finding(f"{step.name}: {error}")
        return finding
