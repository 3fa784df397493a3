"""Airflow's own clear: what it would take, and taking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.clients.airflow_states import task_state
from incident_response.domain.errors import Refused
from incident_response.domain.run_states import NO_STATE, TaskState

from .airflow_bounds import Bounded
from .airflow_records import Instance, Target, counted, listed


def dry_run(api: Bounded, target: Target, hurt: Sequence[Instance]) -> list[TaskState]:
    """What Airflow would clear with them: their setups and teardowns, and everything downstream."""
    body = {"task_ids": [one.marker for one in hurt], "include_downstream": True}
    return _request(api, target, {**body, "dry_run": True, "only_failed": False})


def dry_run_all(api: Bounded, target: Target) -> list[TaskState]:
    """What a clear of the whole run would take."""
    return _request(api, target, {"dry_run": True, "only_failed": False})


def send(api: Bounded, target: Target, exactly: Sequence[Instance]) -> list[TaskState]:
    """Clear these and no others, whatever became of the run since they were listed."""
    if not exactly:
        return []
    body = {"task_ids": [one.marker for one in exactly], "include_downstream": False}
    return _request(api, target, {**body, "dry_run": False, "only_failed": False})


def send_all(api: Bounded, target: Target) -> list[TaskState]:
    """Clear the whole run."""
    return _request(api, target, {"dry_run": False, "only_failed": False})


def clear_with_downstream(api: Bounded, target: Target, one: Instance) -> list[TaskState]:
    """Clear a task instance and what depends on it, whatever their states."""
    body = {"dry_run": False, "only_failed": False, "include_downstream": True, "task_ids": [one.marker]}
    return _request(api, target, body)


def refuse_too_many(target: Target, found: Sequence[TaskState], most: int) -> None:
    """Raises Refused when a person should look first."""
    if len(found) > most:
        raise Refused(
            f"{target.name} has {len(found)} task instances to clear, more than {most}; "
            "look at it, then clear it by hand or raise `most`"
        )


def refuse_working(target: Target, found: Sequence[TaskState]) -> None:
    """Raises Refused when a clear would kill what still works."""
    working = [one.name for one in found if not one.ended and one.state != NO_STATE]
    if working:
        raise Refused(
            f"{listed(working, 3)} of {target.name} still works, and a clear would kill it; "
            "wait for its end, then run the runbook again"
        )


def version(run: Mapping[str, Any], dag: Mapping[str, Any]) -> str:
    """Which version of the DAG's bundle a cleared task runs in. `dag`: its details."""
    latest = (dag.get("latest_dag_version") or {}).get("version_number")
    number = f"DAG version {latest}" if latest else "the latest DAG version"
    if not run.get("bundle_version"):
        return f"runs in the DAG's file as it is now ({number}): its bundle keeps no versions"
    if dag.get("rerun_with_latest_version"):
        return f"runs in bundle version {dag.get('bundle_version')} ({number}), the latest"
    own = [one.get("version_number") for one in run.get("dag_versions") or ()]
    of_run = f"DAG version {own[-1]}" if own else "its DAG version"
    return f"runs in bundle version {run['bundle_version']} ({of_run}), that of the run"


def counted_as(hurt: Sequence[TaskState]) -> str:
    """`1 failed task instance`, `2 failed task instances and 3 cut off`."""
    failed = [one for one in hurt if one.state == "failed"]
    rest = len(hurt) - len(failed)
    if not failed:
        return f"{counted(hurt, 'task instance')} cut off"
    return counted(failed, "failed task instance") + (f" and {rest} cut off" if rest else "")


def _request(api: Bounded, target: Target, body: Mapping[str, Any]) -> list[TaskState]:
    whole = {**body, "dag_run_id": target.run_id, "reset_dag_runs": True}
    rows = api.post(f"{target.dag_path}/clearTaskInstances", whole)["task_instances"]
    return [task_state(row) for row in rows]
