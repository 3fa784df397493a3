"""What sensors and steps read of the store: which incident, which remediation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incident_response import bootstrap
from incident_response.domain.errors import BadInput, IncidentResponseError
from incident_response.domain.incidents import Incident, number_of
from incident_response.domain.logs import logger
from incident_response.domain.runbooks import Remediation
from incident_response.service.job import Job

from . import compat

log = logger(__name__)

PROBLEM = "problem"  # XCom key: why a step ended red


def number_in(value: Any) -> int:
    """The incident's number from a run's conf. Raises BadInput."""
    if value is None or str(value).strip() in ("", "None"):
        raise BadInput('this run names no incident: start it with {"incident": 42}; nothing was done')
    try:
        return number_of(value)
    except BadInput as error:
        raise BadInput(f"{error}; nothing was done") from None


def incident(number: int) -> Incident:
    """The incident as it is now. Raises IncidentNotFound."""
    with bootstrap.services().store.read() as tx:
        return tx.get(number)


def remediations_of_cycle(found: Incident) -> Sequence[Remediation]:
    """Remediations asked for since the incident was opened, or reopened after it was resolved."""
    with bootstrap.services().store.read() as tx:
        return [asked for asked in tx.remediations(found.number) if asked.requested_at >= found.started_at]


def job(value: Any, run_id: str) -> Job | None:
    """The remediation whose DAG run is `run_id`; None: a person started the run by hand.

    Raises BadInput, IncidentNotFound, RunbookNotFound.
    """
    return bootstrap.services().running.job(number_in(value), run_id)


def skip_ahead(job: Job, task: str) -> None:
    """End `task` well, and skip what is known not to be needed behind it. Raises SkipAhead when there is any.

    `job` is as it was read after the task's work.
    """
    unneeded = bootstrap.services().running.skip_ahead(job, task, bootstrap.now())
    if unneeded:
        log.info("Not needed: %s", ", ".join(unneeded))
        raise compat.SkipAhead(tasks=list(unneeded))


def break_off(value: Any, run_id: str, task: str, why: str) -> None:
    """Conclude a remediation whose `task` ends red for good: whoever is paged for it is paged now.

    Airflow notices the end of a red task up to five seconds late, and then the conclusion has to start.
    """
    try:
        broken = job(value, run_id)
        if broken is not None and not broken.remediation.state.ended:
            bootstrap.services().running.conclude(broken, (task, why), bootstrap.now())
    except IncidentResponseError as error:  # the task that concludes comes all the same
        log.warning("%s: not concluded yet: %s", run_id, error)
