"""What sensors and steps read of the store: which incident, which remediation, which runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incident_response import bootstrap
from incident_response.actions import airflow_runs
from incident_response.actions.airflow_runs import Seen, Target
from incident_response.domain.errors import BadInput, RunbookNotFound
from incident_response.domain.incidents import Incident, number_of
from incident_response.domain.runbooks import Remediation, Runbook
from incident_response.domain.timeline import EventKind

_PATIENCE = timedelta(minutes=10)
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


@dataclass(frozen=True)
class Job:
    """A remediation at work: what asked for it, and what was seen of its runs before anything was changed."""

    incident: Incident
    remediation: Remediation
    runbook: Runbook
    seen: Sequence[Seen] | None  # None: not looked yet

    @property
    def deadline(self) -> datetime:
        """When the runbook's time is over."""
        return self.remediation.requested_at + self.runbook.time_limit

    @property
    def patience(self) -> datetime:
        """Until then a repair waits for the other branches of a run, whose clean-up it could disturb."""
        return self.remediation.requested_at + min(_PATIENCE, self.runbook.time_limit / 2)


def job(number: int, run_id: str) -> Job | None:
    """The remediation whose DAG run is `run_id`; None: a person started the run by hand.

    Raises IncidentNotFound, RunbookNotFound.
    """
    services = bootstrap.services()
    with services.store.read() as tx:
        found = tx.get(number)
        remediation = next((asked for asked in tx.remediations(number) if asked.run_id == run_id), None)
        if remediation is None:
            return None
        facts = [event.data for event in tx.timeline(number) if event.kind is EventKind.EVIDENCE]
    runbook = services.library.runbook(remediation.runbook)
    if runbook is None:
        raise RunbookNotFound(f"the runbook {remediation.runbook!r} is missing or broken in include/runbooks")
    return Job(found, remediation, runbook, _seen(facts, remediation.attempt))


def targets(found: Job) -> Sequence[Target]:
    """The runs of a job: as seen by its first look, before that as its incident's signals name them."""
    if found.seen is not None:
        return [seen.target for seen in found.seen]
    with bootstrap.services().store.read() as tx:
        return airflow_runs.named_runs(tx.sightings(found.incident.number))


def unfinished(found: Job) -> list[str]:
    """The runs of a job that have not ended, by name."""
    api = bootstrap.services().airflow
    return [target.name for target in targets(found) if not airflow_runs.has_ended(api, target)]


def _seen(facts: Sequence[Mapping[str, Any]], attempt: int) -> Sequence[Seen] | None:
    """What the first look of this attempt found: a later look would find what the repair left."""
    looked = next((fact for fact in facts if fact.get("attempt") == attempt and "runs" in fact), None)
    return None if looked is None else [Seen.of(entry) for entry in looked["runs"]]
