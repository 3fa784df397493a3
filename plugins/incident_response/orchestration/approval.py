"""Approval: Airflow's human-in-the-loop, with the plan to look at. The incident's page can answer, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import TriggerRule

from incident_response import bootstrap
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.runbooks import APPROVE, RemediationState, Runbook
from incident_response.domain.times import in_words
from incident_response.service.approvals import NO, YES, approval_path
from incident_response.service.job import Job, asked_by

from . import compat
from .steps import RunbookOperator


class ApproveOperator(RunbookOperator, HITLOperator):
    """Asks a person, when the runbook's mode says so for the incident's severity. No answer never acts."""

    ui_color = "#f3e8fd"

    def __init__(self, *, runbook: Runbook, **kwargs: Any) -> None:
        HITLOperator.__init__(
            self,
            task_id=APPROVE,
            subject=f"Runbook {runbook.title}: may it act?",
            body="The plan is shown when it is asked for.",
            options=[YES, NO],
            response_timeout=runbook.approve_within,
            trigger_rule=TriggerRule.NONE_FAILED,
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Not needed: on. Would be refused anyway: nobody is asked. Without a yes all the rest is skipped."""
        return self.guarded(context, self.run)

    def run(self, job: Job, context: Any) -> Any:
        """Ask. The task waits without a worker slot and goes on in `execute_complete`."""
        services, now = bootstrap.services(), bootstrap.now()
        number, attempt = job.incident.number, job.remediation.attempt
        if not job.asks:
            raise compat.SkipNow("no approval is needed")
        verdict = services.remediations.judge(number, attempt, job.targets, now, approved_by="somebody")
        if not verdict.allowed:
            services.remediations.begin(number, attempt, job.targets, now)
            return f"{verdict.reason}: {verdict.explanation}"
        if (given := self._given(job)) is not None:
            return self._answered(job, given)
        services.running.ask(job, now)
        self.subject = f"{job.incident.key} {job.incident.title}: may {job.runbook.name} act?"
        self.body = plan_text(job)
        return HITLOperator.execute(self, context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Who said what; or nobody did, in time."""
        return self.guarded(context, lambda job, _: self._answered(job, event))

    def _given(self, job: Job) -> Mapping[str, Any] | None:
        """What was answered to an earlier try of this task, whose worker died before it could take it."""
        asked = job.results.get(APPROVE)
        if asked is None:
            return None
        if asked.data.get("approved") is True:
            return {}  # on the page, or taken before it died: nobody is asked again, nor is Airflow
        path = approval_path(job.remediation.runbook, job.remediation.run_id)
        try:
            found = bootstrap.services().airflow.get(path)
        except (AirflowRefused, AirflowUnavailable) as error:
            self.log.info("no earlier answer: %s", error)
            return None
        return found if found.get("response_received") else None

    def _answered(self, job: Job, event: Mapping[str, Any]) -> str:
        remediations, now = bootstrap.services().remediations, bootstrap.now()
        number, attempt = job.incident.number, job.remediation.attempt
        asked = job.results.get(APPROVE)
        if asked is not None and asked.data.get("approved") is True:
            return asked.text  # the page was faster
        if "error" in event:
            reason = f"approval: nobody approved it within {in_words(job.runbook.approve_within)}"
            remediations.end(
                number, attempt, RemediationState.REFUSED, reason, now, job.causes, unanswered=True
            )
            if event.get("error_type") != "timeout":
                raise HITLTimeoutError(event)
            return reason
        who = (event.get("responded_by_user") or {}).get("name") or "somebody in Airflow"
        yes = event["chosen_options"] == [YES]
        remediations.approve(number, attempt, who, now, yes=yes)
        return f"approved by {who}" if yes else f"declined by {who}"


def plan_text(job: Job) -> str:
    """The plan as Markdown: exactly what will be done."""
    lines = [f"**{job.runbook.title}** for {job.incident.key} on {job.remediation.target}", ""]
    for step, entries in job.plan.items():
        for entry in entries:
            lines.append(f"- `{step}`: {entry['text']}")
            lines += [f"    - {part}" for part in entry.get("parts", ())]
    if why := asked_by(job.plan):
        lines += ["", f"It asks because {why}."]
    if len([s for s in job.rungs if job.plan.get(s.name)]) > 1:
        lines += ["", "One attempt after the other: a later one only when the one before proved nothing."]
    return "\n".join(lines)
