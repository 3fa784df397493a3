"""The tasks of a runbook's DAG: each runs for a moment in a worker; what it does is in service/running."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, TriggerRule

from incident_response import bootstrap
from incident_response.domain.errors import (
    AirflowRefused,
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    IncidentResponseError,
    NotConfigured,
    Refused,
    RunbookNotFound,
    Unknown,
)
from incident_response.domain.runbooks import RemediationState, Step, StepState
from incident_response.service.job import Job

from . import by_hand, compat, work

# Repeating changes nothing.
_FINAL = (
    AirflowRefused, BadInput, IllegalTransition, IncidentNotFound, NotConfigured, Refused, RunbookNotFound,
    Unknown,
)  # fmt: skip


class RunbookOperator(BaseOperator):
    """One task of a runbook. The incident's number and the run's own id are all it is given."""

    ui_color = "#fdf3e1"

    def __init__(self, **kwargs: Any) -> None:
        # What was skipped is no obstacle: a step that did not fit, an attempt that was not needed.
        kwargs.setdefault("trigger_rule", TriggerRule.NONE_FAILED)
        kwargs.setdefault("do_xcom_push", False)  # nobody reads it; each asks the API server
        super().__init__(**kwargs)

    def execute(self, context: Any) -> Any:
        """What was done goes to the log; why it ended red to the task that concludes."""
        return self.guarded(context, self.run)

    def guarded(self, context: Any, call: Any) -> Any:
        """Skips when the remediation has ended; turns errors into red tasks with their reasons."""
        try:
            job = self.job(context)
            if job.remediation.state.ended:
                raise compat.SkipNow(f"{job.remediation.state.value}: {job.remediation.reason}")
            said = call(job, context)
            self.log.info("%s", said)
            self.end_here(self.job(context), said)
        except IncidentResponseError as error:
            context["ti"].xcom_push(key=work.PROBLEM, value=str(error))
            if isinstance(error, NotConfigured):
                raise compat.SkipNow(self._not_configured(context, error)) from error
            if isinstance(error, _FINAL):
                incident = (context["dag_run"].conf or {}).get("incident")
                work.break_off(incident, context["run_id"], self.task_id, str(error))
                raise compat.FailNow(str(error)) from error
            raise
        return said

    def end_here(self, job: Job, said: str) -> None:
        """What was not needed, this task or some after it, is skipped. Raises SkipNow, SkipAhead."""
        result = job.results.get(self.task_id)
        if result is not None and result.state is StepState.SKIPPED:
            raise compat.SkipNow(said)
        work.skip_ahead(job, self.task_id)

    def job(self, context: Any) -> Job:
        """The remediation this run works on. A run that a person started asks for one, and nothing else."""
        conf = context["dag_run"].conf or {}
        found = work.job(conf.get("incident"), context["run_id"])
        if found is None:
            number = work.number_in(conf.get("incident"))
            self.log.info("%s", by_hand.request(number, context["dag_run"], bootstrap.now()))
            raise compat.SkipAhead(tasks=list(self.get_flat_relative_ids(upstream=False)))
        return found

    @staticmethod
    def _not_configured(context: Any, error: NotConfigured) -> str:
        """A runbook that was never set up has not failed: whoever is on call is paged, and nobody above."""
        job = work.job((context["dag_run"].conf or {}).get("incident"), context["run_id"])
        assert job is not None  # the step has found it before
        reason = f"not configured: {error}"
        bootstrap.services().remediations.end(
            job.incident.number, job.remediation.attempt, RemediationState.REFUSED, reason, bootstrap.now()
        )
        return reason

    @abstractmethod
    def run(self, job: Job, context: Any) -> str:
        """Do it; the answer is for people."""


class StepOperator(RunbookOperator):
    """Runs one step of the file: it looks, changes, or takes back."""

    def __init__(self, *, step: Step, **kwargs: Any) -> None:
        self.step = step.name
        super().__init__(task_id=step.name, **kwargs)

    def run(self, job: Job, context: Any) -> str:
        """By what the file says now: it was checked when it was read."""
        step = job.runbook.step(self.step)
        if step is None:
            raise BadInput(f"{job.runbook.name} has no step {self.step!r} any more; its file was changed")
        running, now = bootstrap.services().running, bootstrap.now
        if step.undoes:
            return running.restore(job, step, now)
        if step.changes:
            return running.act(job, step, now)
        return running.look(job, step, now())


class PlanOperator(RunbookOperator):
    """Plans all that may be changed, before anybody is asked."""

    def run(self, job: Job, context: Any) -> str:
        """The plan, as a person reads it."""
        return bootstrap.services().running.plan(job, bootstrap.now())


class GuardOperator(RunbookOperator):
    """Plans, unless that was done for an approval, and asks whether this remediation may act.

    When not, everything after it is skipped.
    """

    ui_color = "#fbe9e7"

    def run(self, job: Job, context: Any) -> str:
        """The named reason."""
        running = bootstrap.services().running
        running.plan(job, bootstrap.now())
        return running.guard(self.job(context), bootstrap.now())[1]


class ConcludeOperator(BaseOperator):
    """Runs whatever happened: proven, failed, or broken off without a word."""

    ui_color = "#e9f5e9"

    def __init__(self, *, steps: Sequence[str], **kwargs: Any) -> None:
        """`steps`: the tasks before it, in order."""
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.steps = list(steps)

    def execute(self, context: Any) -> str:
        """Red when the remediation failed, so that the run shows it."""
        red = self._red(context)
        asked, dag_run = "", context["dag_run"]
        try:
            incident = (dag_run.conf or {}).get("incident")
            job = work.job(incident, context["run_id"])
            if job is None and not red:  # a runbook that begins with a check has not asked yet
                asked = by_hand.request(work.number_in(incident), dag_run, bootstrap.now())
        except _FINAL as error:
            raise compat.FailNow(str(error)) from error
        if job is None:
            raise compat.FailNow(f"step {red[0]}: {red[1]}") if red else compat.SkipNow(asked)
        ended = job.remediation
        if not ended.state.ended:
            ended = bootstrap.services().running.conclude(job, red, bootstrap.now())
        said = f"{ended.state.value}: {ended.reason}"
        if ended.state in (RemediationState.FAILED, RemediationState.UNKNOWN):
            raise compat.FailNow(said)
        self.log.info("%s", said)
        return said

    def _red(self, context: Any) -> tuple[str, str] | None:
        """The first red task, and why."""
        ti, run_id = context["ti"], context["run_id"]
        found = ti.get_task_states(dag_id=self.dag_id, task_ids=self.steps, run_ids=[run_id])
        states = found.get(run_id, {})
        for task_id in self.steps:
            if states.get(task_id) == "failed":
                why = ti.xcom_pull(task_ids=task_id, key=work.PROBLEM)
                return task_id, why or "it broke off; the task's log has the details"
        return None
