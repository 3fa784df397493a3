"""Late runs: what waited for a run that is being repaired, and failed after somebody had looked at it."""

from __future__ import annotations

from collections.abc import Sequence

from incident_response.domain.records import Role, Sighting
from incident_response.domain.runbooks import StepResult
from incident_response.domain.waiting import WAITS_FOR

from .job import Job

LATE = "late"  # in the data of an attempt: the runs that were considered after it had begun
Run = tuple[str, str]


def seen_runs(job: Job) -> set[Run]:
    """The runs that this remediation has looked at, by DAG and run."""
    runs = [run for result in job.results.values() for run in result.data.get("runs") or ()]
    return {(str(run["dag_id"]), str(run["run_id"])) for run in runs}


def late_runs(job: Job, acted: StepResult) -> Sequence[Sighting]:
    """What they tell: only those that waited for a run that was looked at, or for one that did."""
    known = seen_runs(job)
    tried = {(str(dag_id), str(run_id)) for dag_id, run_id in acted.data.get(LATE, ())}
    told = [one for one in job.sightings if one.firing and one.role is Role.CONSEQUENCE]
    found: list[Sighting] = []
    while more := [s for s in told if run_of(s) not in known | tried and _awaited(s) in known]:
        found += more
        known |= {run_of(one) for one in more}
    return found


def run_of(one: Sighting) -> Run:
    """The run that a signal names."""
    return one.labels.get("dag_id", ""), one.labels.get("run_id", "")


def _awaited(one: Sighting) -> Run | None:
    said = one.details.get(WAITS_FOR) or {}
    return (said["dag_id"], said["run_id"]) if said.get("run_id") else None
