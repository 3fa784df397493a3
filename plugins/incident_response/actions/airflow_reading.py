"""How DAGs, runs and task instances stand now, by Airflow's REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.domain.errors import Refused

from .airflow_bounds import Bounded
from .airflow_records import Instance, Target, dag_path

FAILED = ("failed", "upstream_failed")
_PAGE, _MOST = 100, 2_000  # 100: Airflow's own maximum, unless the site raised it


def instance_rows(api: Bounded, target: Target, states: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """The task instances of a run, those in `states` or all. Raises AirflowRefused, also with 404."""
    rows: list[Mapping[str, Any]] = []
    query: dict[str, Any] = {"limit": _PAGE, "order_by": "id", **({"state": list(states)} if states else {})}
    while True:
        answer = api.get(f"{target.path}/taskInstances", {**query, "offset": len(rows)})
        rows += answer["task_instances"]
        if not answer["task_instances"] or len(rows) >= min(answer["total_entries"], _MOST):
            break
    # Airflow 3.1 ignores parameters it does not know: rows are checked against what was asked.
    return [row for row in rows if not states or row["state"] in states]


def failed_instances(api: Bounded, target: Target) -> list[Instance]:
    """Those that failed, and those that wait for them in vain."""
    return [Instance.of(row) for row in instance_rows(api, target, FAILED)]


def instance(api: Bounded, target: Target, known: Instance) -> Mapping[str, Any] | None:
    """One task instance as it is now; None when it, its run or its DAG is gone."""
    row: Mapping[str, Any] | None = api.find(known.path(target))
    return row


def gone(dag_id: str, dag: Mapping[str, Any] | None) -> str:
    """Why Airflow cannot run a task of this DAG, with the remedy; "" when it can."""
    if dag is None:
        return f"DAG {dag_id} does not exist in Airflow any more; put its file back, or close the incident"
    if dag.get("is_stale"):
        return f"DAG {dag_id} is no longer in the DAG folder: its tasks would never run; put its file back"
    return ""


def obstacle(dag_id: str, dag: Mapping[str, Any] | None) -> str:
    """Why a cleared task of this DAG would wait for ever, with the remedy; "" when it would not."""
    if dag is not None and dag.get("is_paused") and not dag.get("is_stale"):
        return (
            f"DAG {dag_id} is paused: cleared tasks would wait for ever; "
            f"unpause it (airflow.unpause, or `airflow dags unpause {dag_id}`), then run the runbook again"
        )
    return gone(dag_id, dag)


def refuse_blocked(api: Bounded, dag_id: str) -> None:
    """Raises Refused when cleared tasks of this DAG would wait for ever."""
    if because := obstacle(dag_id, api.find(dag_path(dag_id))):
        raise Refused(because)


def refuse_gone(api: Bounded, dag_id: str) -> None:
    """Raises Refused when the DAG is missing or stale."""
    if because := gone(dag_id, api.find(dag_path(dag_id))):
        raise Refused(because)


def run_of(api: Bounded, target: Target) -> Mapping[str, Any]:
    """The run. Raises Refused when it was deleted."""
    run: Mapping[str, Any] | None = api.find(target.path)
    if run is None:
        raise Refused(
            f"Run {target.name} does not exist any more: it was deleted; trigger its DAG for that date anew"
        )
    return run
