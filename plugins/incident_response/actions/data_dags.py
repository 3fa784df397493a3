"""What the ingesting actions share: which DAG, which keys, and whether a run of it would run at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.domain.actions import Scene
from incident_response.domain.errors import AirflowRefused, Refused
from incident_response.domain.ports import AirflowRest
from incident_response.domain.times import utc

_PAGE, _MOST_RUNS = 100, 2000


@dataclass(frozen=True)
class Missing:
    """What a `data.missing` step has found."""

    keys: Sequence[str]
    every: str | None
    zone: str


def missing(scene: Scene, step: str, most: int) -> Missing:
    """The keys to ingest. Raises Refused when they are unknown, or more than `most`."""
    found = scene.found.get(step)
    if found is None or "missing" not in found:
        raise Refused(
            f"the step {step!r} has not found what is missing; put a data.missing step of this name before, "
            "or name yours as from_step"
        )
    keys = [str(key) for key in found["missing"]]
    count = max(len(keys), int(found.get("count", 0)))
    if count > most:
        raise Refused(
            f"{count} keys are missing and at most {most} are ingested without a person; find out why, then "
            "raise `most` or start them by hand"
        )
    if count > len(keys):
        raise Refused(
            f"{count} keys are missing, but {step!r} names {len(keys)}; raise `most` of that step, too"
        )
    return Missing(keys, found.get("every"), str(found.get("zone") or "UTC"))


def dag_of(scene: Scene, named: str) -> str:
    """The DAG that ingests: as named, else the one that the incident is about. Raises Refused."""
    own = scene.incident.labels.get("dag_id")
    seen = (sighting.labels.get("dag_id") for sighting in scene.sightings)
    found = named or own or next((dag_id for dag_id in seen if dag_id), "")
    if not found:
        raise Refused("no DAG is known that ingests this data; name it as `dag_id` in the step")
    return found


def path_of(dag_id: str, run_id: str = "") -> str:
    """In the REST API. Run ids hold colons and pluses."""
    run = f"/dagRuns/{quote(run_id, safe='')}" if run_id else ""
    return f"/dags/{quote(dag_id, safe='')}{run}"


def check_dag(api: AirflowRest, dag_id: str) -> None:
    """Raises Refused when a run that is created now would never run, with the remedy."""
    try:
        dag = api.get(path_of(dag_id))
    except AirflowRefused as refused:
        if refused.status != 404:
            raise
        raise Refused(
            f"Airflow knows no DAG {dag_id}, or may not show it to us; correct `dag_id`, or give the API's "
            "user the right to read it"
        ) from None
    if dag.get("is_stale"):
        raise Refused(f"the DAG {dag_id} is no longer in the DAG folder; put its file back")
    if dag.get("has_import_errors"):
        raise Refused(f"the file of the DAG {dag_id} cannot be imported; repair it first")
    if dag.get("is_paused"):
        raise Refused(
            f"the DAG {dag_id} is paused, its runs would wait for ever; run `airflow dags unpause {dag_id}`, "
            "then this step again"
        )


def run_of(api: AirflowRest, dag_id: str, run_id: str) -> Mapping[str, Any] | None:
    """A run; None when there is none of this id."""
    try:
        found: Mapping[str, Any] = api.get(path_of(dag_id, run_id))
    except AirflowRefused as refused:
        if refused.status != 404:
            raise
        return None
    return found


def runs_at(api: AirflowRest, dag_id: str, dates: Iterable[datetime]) -> Mapping[datetime, Mapping[str, Any]]:
    """The runs that have one of these logical dates, by date."""
    wanted = {utc(moment) for moment in dates}
    if not wanted:
        return {}
    found = runs_between(api, dag_id, min(wanted), max(wanted))
    return {date: run for date, run in found.items() if date in wanted}


def runs_between(
    api: AirflowRest, dag_id: str, first: datetime, last: datetime
) -> Mapping[datetime, Mapping[str, Any]]:
    """The runs whose logical dates are these two or lie between, by date."""
    query = {
        "logical_date_gte": first.isoformat(),
        "logical_date_lte": last.isoformat(),
        "order_by": "id",
        "limit": _PAGE,
    }
    rows: list[Mapping[str, Any]] = []
    while True:
        answer = api.get(f"{path_of(dag_id)}/dagRuns", {**query, "offset": len(rows)})
        rows += answer["dag_runs"]
        if not answer["dag_runs"] or len(rows) >= min(answer["total_entries"], _MOST_RUNS):
            break
    dated = {time_of(row["logical_date"]): row for row in rows if row.get("logical_date")}
    # What is asked for may be ignored by another version of Airflow: only what fits counts.
    return {date: run for date, run in dated.items() if first <= date <= last}


def time_of(text: str) -> datetime:
    """A time of Airflow's, in UTC."""
    return utc(datetime.fromisoformat(text.replace("Z", "+00:00")))
