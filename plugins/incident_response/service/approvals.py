"""Approvals from the page: written down first, then told to the runbook's run, which waits in Airflow."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.logs import logger
from incident_response.domain.ports import AirflowRest, Store
from incident_response.domain.runbooks import APPROVE

from .remediation import Remediations

log = logger(__name__)
YES, NO = "Approve", "Reject"  # as Airflow offers them, too


def approval_path(runbook: str, run_id: str) -> str:
    """The question of a runbook's run, in Airflow's REST API."""
    dag, run = quote(f"runbook_{runbook}", safe=""), quote(run_id, safe="")
    return f"/dags/{dag}/dagRuns/{run}/taskInstances/{APPROVE}/-1/hitlDetails"


class Approvals:
    """A person's yes or no."""

    def __init__(self, store: Store, remediations: Remediations, airflow: AirflowRest) -> None:
        self._store, self._remediations, self._airflow = store, remediations, airflow

    def decide(self, number: int, attempt: int, by: str, now: datetime, *, yes: bool) -> bool:
        """Approve or decline the plan of one attempt; False when that was decided before.

        The word is kept even when Airflow does not answer: its run asks the store when its own time is over.
        Raises IllegalTransition, IncidentNotFound.
        """
        decided = self._remediations.approve(number, attempt, by, now, yes=yes)
        with self._store.read() as tx:
            asked = next(one for one in tx.remediations(number) if one.attempt == attempt)
            steps = tx.steps(number)
        # Of two words the first counts; Airflow hears that one again, it may not have heard it before.
        said = next(
            (one.data.get("approved") for one in steps if (one.attempt, one.step) == (attempt, APPROVE)), None
        )
        if said is None:
            return decided  # it ended without a word
        path = approval_path(asked.runbook, asked.run_id)
        answer = {"chosen_options": [YES if said else NO], "params_input": {}}
        try:
            self._airflow.patch(path, answer)
        except AirflowRefused as error:
            if error.status != 409:  # answered in Airflow already
                log.warning("%s: Airflow did not take the answer: %s", asked.run_id, error)
        except AirflowUnavailable as error:
            log.warning("%s: Airflow did not take the answer: %s", asked.run_id, error)
        return decided
