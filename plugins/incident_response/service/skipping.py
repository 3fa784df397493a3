"""Skipping: which steps nobody needs any more, told as soon as it is known: no task has to start to find out.

A task of Airflow that skips itself costs its start, and up to five seconds until its end is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from incident_response.domain.runbooks import APPROVE, Phase, RemediationState, Runbook, Step, StepState

from .job import PLAN, Job, unfit
from .steps import Steps

GUARD = "guard"
PROVEN = "not needed: it is proven"
UNTRIED = "nothing was tried"
UNCHANGED = "there is nothing to change"
UNTOUCHED = "there is nothing to take back"
_DECISIONS = (PLAN, APPROVE, GUARD)


class Skipping(Steps):
    """What is skipped has a row that says why, whoever skips it."""

    def skip_ahead(self, job: Job, behind: str, now: datetime) -> Sequence[str]:
        """The tasks directly behind this one that are not needed, in order; each has its row now.

        `behind` has ended, and `job` was read after that. None beyond the first one that is needed: Airflow
        would start what follows a skipped task at once.
        """
        names = list(order(job.runbook))
        left = names[names.index(behind) + 1 :]
        if job.remediation.state.ended:
            return left  # only its conclusion is needed
        if behind == PLAN:
            return () if job.asks else left[:1]  # the guard asks again whether somebody has to approve it
        found = []
        for name in left:
            before = job.results.get(name)
            if before is None and (why := self._why_unneeded(job, name, guarded=behind == GUARD)):
                skipped = self._skipped(job, name, why, now)
                self._remediations.put_step(skipped)
                job = replace(job, results={**job.results, name: skipped})
            elif before is None or before.state is not StepState.SKIPPED:
                break
            found.append(name)
        return found

    def _why_unneeded(self, job: Job, name: str, *, guarded: bool) -> str:
        """Empty: it is needed, or not known yet."""
        step = job.runbook.step(name)
        if step is None:
            return "" if name in _DECISIONS else self._why_unchecked(job, name)
        if step.phase is Phase.DIAGNOSE:
            return "" if step.applies(job.causes, job.about) else unfit(job, step)
        if step.phase is Phase.RESTORE:
            return UNTOUCHED if job.proof and not self._changed(job, step) else ""
        if not (guarded or job.proof or job.remediation.state is RemediationState.RUNNING):
            return ""
        # What a later attempt would do is planned when it is its turn.
        first = step.phase is Phase.CONTAIN or step is job.rungs[0]
        return self._why_not(job, step) or (UNCHANGED if first and not job.plan.get(name) else "")

    @staticmethod
    def _why_unchecked(job: Job, name: str) -> str:
        if job.proof:
            return PROVEN
        rung = next((one for one in job.rungs if check_of(one) == name), None)
        return UNTRIED if rung is not None and untried(job, rung) else ""

    @staticmethod
    def _why_not(job: Job, step: Step) -> str:
        """Why a step that changes things is not needed behind the guard; empty: it is."""
        if job.proof:
            return PROVEN
        if not step.applies(job.causes, job.about):
            return unfit(job, step)
        return "" if job.remediation.state is RemediationState.RUNNING else "there was nothing to change"

    @staticmethod
    def _changed(job: Job, restoring: Step) -> bool:
        """True when the step that `restoring` takes back has done something."""
        undone = job.results.get(restoring.undoes)
        return undone is not None and bool(undone.data.get("done"))


def untried(job: Job, rung: Step) -> bool:
    """True when there is nothing to check behind an attempt: it was skipped, and the last word is another's.

    The last check tells whether all is well, unless no attempt was meant for what was found.
    """
    result = job.results.get(rung.name)
    if result is None or result.state is not StepState.SKIPPED:
        return False
    return rung is not job.rungs[-1] or not job.attempts


def check_of(rung: Step | None) -> str:
    """The name of the check behind an attempt; None: of a runbook that attempts nothing."""
    return f"verify_{rung.name}" if rung else "verify"


def order(runbook: Runbook) -> Iterator[str]:
    """The names of the tasks before the conclusion, one after the other."""
    yield from (step.name for step in runbook.of(Phase.DIAGNOSE))
    rungs, contain = runbook.of(Phase.REPAIR), runbook.of(Phase.CONTAIN)
    if rungs or contain:
        yield from _DECISIONS if runbook.asks else (GUARD,)
        yield from (step.name for step in contain)
        for rung in rungs:
            yield from (rung.name, check_of(rung))
    elif runbook.of(Phase.VERIFY):
        yield check_of(None)
    yield from (step.name for step in runbook.of(Phase.RESTORE))
