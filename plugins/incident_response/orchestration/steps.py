"""The steps of a runbook's DAG: one operator, which runs the step's action in a worker for a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseOperator, TriggerRule

from incident_response import bootstrap
from incident_response.actions import airflow_runs
from incident_response.domain.errors import (
    AirflowRefused,
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    IncidentResponseError,
    RunbookNotFound,
)
from incident_response.domain.runbooks import ACTIONS, RemediationState, Runbook

from . import by_hand, compat, work
from .sensors import RunSensor
from .triggers import EndTrigger

_FINAL = (
    AirflowRefused,
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    RunbookNotFound,
)  # repeating changes nothing


@dataclass(frozen=True)
class Effects:
    """Effects of one incident, with the store behind them (actions.airflow_runs.Effects)."""

    number: int
    by: str

    def begin(self, key: str) -> str | None:
        """Claim the key."""
        return bootstrap.services().remediations.begin_effect(key, self.number, self.by, bootstrap.now())

    def end(self, key: str, text: str, detail: Mapping[str, Any]) -> None:
        """It happened."""
        bootstrap.services().remediations.end_effect(key, self.number, text, detail, self.by, bootstrap.now())


class StepOperator(BaseOperator):
    """Runs one action of a runbook. The incident's number and the run's own id are all it is given."""

    ui_color = "#fdf3e1"

    def __init__(self, *, action: str, parameters: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action, self.parameters = action, dict(parameters or {})

    def execute(self, context: Any) -> str:
        """The action's answer goes to the log and, when it ends red, to the task that concludes."""
        return self._run(context, patient=True)

    def go_on(self, context: Any, event: Any = None) -> str:
        """The second part of a step that waited for other branches of a run."""
        return self._run(context, patient=False)

    def _run(self, context: Any, *, patient: bool) -> str:
        try:
            number = work.number_in((context["dag_run"].conf or {}).get("incident"))
            job = work.job(number, context["run_id"])
            if job is None:
                raise compat.SkipNow(by_hand.request(number, context["dag_run"], bootstrap.now()))
            if job.remediation.state.ended:
                raise compat.SkipNow(f"{job.remediation.state.value}: {job.remediation.reason}")
            if patient and self._is_early(job):
                self.defer(trigger=EndTrigger(number, context["run_id"]), method_name="go_on")
            said = _STEPS[self.action](job, self.parameters)
        except IncidentResponseError as error:
            context["ti"].xcom_push(key=work.PROBLEM, value=str(error))
            if isinstance(error, _FINAL):
                raise compat.FailNow(str(error)) from error
            raise
        self.log.info("%s", said)
        return said

    def _is_early(self, job: work.Job) -> bool:
        """True when a run to look at has not ended: the signal of a failed task often comes before that."""
        looks = self.action == "airflow.diagnose" and job.seen is None
        return looks and bootstrap.now() < job.patience and bool(work.unfinished(job))


def diagnose(job: work.Job, parameters: Mapping[str, Any]) -> str:
    """Look at every run that the incident's signals name; keep what was found before anything is changed."""
    if job.seen is not None:
        return "looked before"
    services, now = bootstrap.services(), bootstrap.now()
    number = job.incident.number
    targets = work.targets(job)
    if not targets:
        raise BadInput(
            f"the signals of {job.incident.key} name no DAG run, so there is nothing this runbook can repair"
        )
    lines, most = int(parameters.get("log_lines", 60)), job.runbook.max_targets
    looks = [
        airflow_runs.look(services.airflow, target, lines, closely=index < most)
        for index, target in enumerate(targets)
    ]
    seen = [look[0] for look in looks]
    data = {
        "attempt": job.remediation.attempt,
        "runs": [one.data() for one in seen],
        "found": [look[1] for look in looks],
    }
    title = f"Looked at {airflow_runs.listed(f'{one.target.name} ({one.state})' for one in seen)}"
    services.remediations.evidence(number, title, data, _by(job.runbook), now)
    return title


def guard(job: work.Job, parameters: Mapping[str, Any]) -> str:
    """Ask whether this remediation may act; when not, everything after it is skipped."""
    remediations, now = bootstrap.services().remediations, bootstrap.now()
    number, attempt = job.incident.number, job.remediation.attempt
    failed = [one for one in job.seen or () if one.is_failed]
    if job.seen is not None and not failed:
        return "no run is failed any more: nothing to do but to verify"
    if obstacles := dict.fromkeys(one.obstacle for one in failed if one.obstacle):
        reason = "; ".join(obstacles)
        remediations.end(number, attempt, RemediationState.REFUSED, reason, now)
        raise compat.SkipNow(reason)
    verdict = remediations.begin(number, attempt, len(failed), now)
    if not verdict.allowed:
        raise compat.SkipNow(f"{verdict.reason}: {verdict.explanation}")
    return f"{verdict.reason}: {verdict.explanation}"


def clear_failed(job: work.Job, parameters: Mapping[str, Any]) -> str:
    """Clear the failed task instances of exactly the runs that the first look found failed."""
    if job.remediation.state is not RemediationState.RUNNING:
        return "nothing to clear"
    effects = Effects(job.incident.number, _by(job.runbook))
    api = bootstrap.services().airflow
    said = [
        airflow_runs.clear(
            api, one, f"{job.incident.key}:clear:{one.target.name}:{job.remediation.attempt}", effects
        )
        for one in job.seen or ()
        if one.is_failed
    ]
    return "; ".join(said)


def verify_green(job: work.Job, parameters: Mapping[str, Any]) -> str:
    """Prove that the very same runs are green; anything else is a failure, and escalates."""
    services = bootstrap.services()
    green, text = airflow_runs.verify(services.airflow, [one.target for one in job.seen or ()])
    state = RemediationState.SUCCEEDED if green and job.seen else RemediationState.FAILED
    services.remediations.end(job.incident.number, job.remediation.attempt, state, text, bootstrap.now())
    if state is RemediationState.FAILED:
        raise compat.FailNow(text)
    return text


_STEPS: Mapping[str, Callable[[work.Job, Mapping[str, Any]], str]] = {
    "airflow.diagnose": diagnose,
    "guard": guard,
    "airflow.clear_failed": clear_failed,
    "airflow.verify_green": verify_green,
}


class ConcludeOperator(BaseOperator):
    """Runs whatever happened: a step that crashed without a word is told to a person at once."""

    ui_color = "#e9f5e9"

    def __init__(self, *, steps: Mapping[str, str], **kwargs: Any) -> None:
        """`steps`: task → action, in order."""
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)
        self.steps = dict(steps)

    def execute(self, context: Any) -> str:
        """Red when the remediation failed, so that the run shows it."""
        try:
            job = work.job(work.number_in((context["dag_run"].conf or {}).get("incident")), context["run_id"])
        except _FINAL as error:
            raise compat.FailNow(str(error)) from error
        if job is None:
            return self._by_hand(context)
        remediation = job.remediation
        if not remediation.state.ended:
            state, reason = self._crashed(context)
            remediations = bootstrap.services().remediations
            remediations.end(job.incident.number, remediation.attempt, state, reason, bootstrap.now())
            raise compat.FailNow(f"{state.value}: {reason}")
        said = f"{remediation.state.value}: {remediation.reason}"
        if remediation.state in (RemediationState.FAILED, RemediationState.UNKNOWN):
            raise compat.FailNow(said)
        self.log.info("%s", said)
        return said

    def _by_hand(self, context: Any) -> str:
        """A run that a person started only asks for the run that does it."""
        if broken := self._broken(context):
            raise compat.FailNow(broken[1])
        raise compat.SkipNow("asked for; the run of the remediation does the work")

    def _crashed(self, context: Any) -> tuple[RemediationState, str]:
        """Which step broke off. When it was one that changes things, nobody knows what it left: UNKNOWN."""
        if broken := self._broken(context):
            action, why = broken
            return RemediationState.UNKNOWN if ACTIONS[action] else RemediationState.FAILED, why
        return (
            RemediationState.UNKNOWN,
            "the steps ended without a result; somebody may have marked them by hand",
        )

    def _broken(self, context: Any) -> tuple[str, str] | None:
        """The first red step: its action, and why."""
        ti, run_id = context["ti"], context["run_id"]
        states = ti.get_task_states(dag_id=self.dag_id, task_ids=list(self.steps), run_ids=[run_id]).get(
            run_id, {}
        )
        for task_id, action in self.steps.items():
            if states.get(task_id) == "failed":
                why = (
                    ti.xcom_pull(task_ids=task_id, key=work.PROBLEM)
                    or "it broke off; the task's log has the details"
                )
                return action, f"step {task_id}: {why}"
        return None


def make(action: str, task_id: str, parameters: Mapping[str, Any]) -> BaseOperator:
    """The task of one step."""
    if action == "airflow.await_runs":
        return RunSensor(task_id=task_id)
    return StepOperator(task_id=task_id, action=action, parameters=parameters)


def _by(runbook: Runbook) -> str:
    return f"system:runbook {runbook.name}"
