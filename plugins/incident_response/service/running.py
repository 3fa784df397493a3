"""Running: the steps of a remediation, one call each. Every call may be repeated after a crash.

What a step does is an action (domain.actions); what became of it is a row of the store, written before and
after. Nothing here knows Airflow: the operators of a runbook's DAG call it, and so do tests.
"""

from __future__ import annotations

from datetime import datetime

from incident_response.domain.errors import RunbookNotFound
from incident_response.domain.runbooks import Remediation, RemediationState, StepState

from .acting import Acting
from .checking import Checking
from .job import Job, changes, is_done
from .looking import Looking
from .planning import Planning


class Running(Looking, Planning, Acting, Checking):
    """All of it, from the first look to the end."""

    def job(self, number: int, run_id: str) -> Job | None:
        """The remediation whose DAG run is `run_id`; None: a person started the run by hand.

        Raises IncidentNotFound, RunbookNotFound.
        """
        with self._store.read() as tx:
            incident = tx.get(number)
            remediation = next((asked for asked in tx.remediations(number) if asked.run_id == run_id), None)
            if remediation is None:
                return None
            steps = [one for one in tx.steps(number) if one.attempt == remediation.attempt]
            sightings = tx.sightings(number)
        runbook = self._find(remediation.runbook)
        if runbook is None:
            raise RunbookNotFound(
                f"the runbook {remediation.runbook!r} is missing or broken in include/runbooks"
            )
        return Job(incident, remediation, runbook, {one.step: one for one in steps}, sightings)

    def conclude(self, job: Job, red: tuple[str, str] | None, now: datetime) -> Remediation:
        """The end, whatever happened. `red`: the task that broke off, and why."""
        state, reason = self._outcome(job, red)
        number, attempt = job.incident.number, job.remediation.attempt
        self._remediations.end(number, attempt, state, reason, now, job.causes)
        again = self.job(number, job.remediation.run_id)
        assert again is not None
        return again.remediation

    @staticmethod
    def _outcome(job: Job, red: tuple[str, str] | None) -> tuple[RemediationState, str]:
        unknown = next((r.text for r in job.results.values() if r.state is StepState.UNKNOWN), "")
        if unknown:
            return RemediationState.UNKNOWN, unknown
        if job.proof and red is None:
            return RemediationState.SUCCEEDED, job.proof
        if job.proof and red is not None:
            return RemediationState.FAILED, f"{job.proof}; but step {red[0]} failed: {red[1]}"
        running = next(
            (r.step for r in job.results.values() if r.state is StepState.RUNNING and changes(job, r)), None
        )
        if running is not None:
            why = f": {red[1]}" if red else ""
            return RemediationState.UNKNOWN, f"step {running} broke off, its effect is unknown{why}"
        contained = [r.text for r in job.results.values() if is_done(r) and changes(job, r)]
        if contained and not job.attempts and red is None:
            return RemediationState.CONTAINED, "; ".join(contained)
        failed = [
            r for r in job.results.values() if r.step.startswith("verify") and r.state is StepState.FAILED
        ]
        if failed:
            return RemediationState.FAILED, failed[-1].text
        if red is not None:
            return RemediationState.FAILED, f"step {red[0]}: {red[1]}"
        return (
            RemediationState.UNKNOWN,
            "the steps ended without a result; somebody may have marked them by hand",
        )
