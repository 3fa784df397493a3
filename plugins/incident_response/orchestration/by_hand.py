"""A runbook's DAG started by a person from Airflow's form: ask for a remediation in the person's name.

The clock then starts the run that does it, `INC-42-<runbook>-<attempt>`: one naming, one guard, one story.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incident_response import bootstrap
from incident_response.domain.runbooks import Remediation

from . import work

PREFIX = "runbook_"


def request(number: int, dag_run: Any, now: datetime) -> str:
    """Ask once for each run, however often its task is tried; the answer names the run that does the work."""
    remediations = bootstrap.services().remediations
    person = dag_run.triggering_user_name or "somebody"
    key = f"by-hand:{dag_run.dag_id}:{dag_run.run_id}"
    runbook = dag_run.dag_id.removeprefix(PREFIX)
    asked = None
    if remediations.begin_effect(key, number, person, now) is not None:
        asked = _asked_since(number, person, runbook, dag_run.run_after)
    if asked is None:
        given = {name: value for name, value in (dag_run.conf or {}).items() if name != "incident"}
        asked = remediations.request(number, person, now, runbook, given)
        text = f"{person} started {dag_run.dag_id} by hand"
        remediations.end_effect(
            key, number, text, {"run": dag_run.run_id, "attempt": asked.attempt}, person, now
        )
    return f"asked for {asked.run_id}, which does the work"


def _asked_since(number: int, person: str, runbook: str, since: datetime) -> Remediation | None:
    """What an earlier try of this task asked for."""
    for remediation in work.remediations_of_cycle(work.incident(number)):
        if (remediation.requested_by, remediation.runbook) == (
            person,
            runbook,
        ) and remediation.requested_at >= since:
            return remediation
    return None
