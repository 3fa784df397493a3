"""How DAGs, runs and task instances stand now, by Airflow's REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.clients import airflow_states
from incident_response.clients.airflow_states import dag_path
from incident_response.domain.errors import Refused

from .airflow_bounds import Bounded
from .airflow_records import Instance, Target

FAILED = ("failed", "upstream_failed")


def instance_rows(api: Bounded, target: Target, states: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """The task instances of a run, those in `states` or all. Raises AirflowRefused, also with 404."""
    return airflow_states.instance_rows(api, target.dag_id, target.run_id, states)


def find_run(api: Bounded, target: Target) -> Mapping[str, Any] | None:
    """The run, by path or by list; None when there is none any more."""
    return airflow_states.find_run(api, target.dag_id, target.run_id)


def failed_instances(api: Bounded, target: Target) -> list[Instance]:
    """Those that failed, and those that wait for them in vain."""
    return [Instance.of(row) for row in instance_rows(api, target, FAILED)]


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
    run = find_run(api, target)
    if run is None:
        raise Refused(
            f"Run {target.name} does not exist any more: it was deleted; trigger its DAG for that date anew"
        )
    return run


def refuse_unreachable(target: Target) -> None:
    """Raises Refused where only a path would do."""
    if not target.is_reachable:
        raise Refused(
            f"Run {target.name} cannot be reached by any path of Airflow's REST API, because of its id; "
            "do this one by hand, in Airflow"
        )
