"""What a run that has not ended waits for, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.clients.airflow_states import dag_path
from incident_response.domain.run_states import NO_STATE, Graph, TaskState

from .airflow_bounds import Bounded
from .airflow_records import Target, listed

_AT_WORK = ("running", "deferred", "restarting", "up_for_reschedule", "awaiting_input")


def waits_for(
    api: Bounded, target: Target, run: Mapping[str, Any], states: Sequence[TaskState], graph: Graph
) -> str:
    """In one line, from `is at work` to `waits behind 1 other run`."""
    if run["state"] == "queued":
        return f"waits for its turn: {_behind(api, target)}"
    waiting = [one for one in states if not one.ended]
    if busy := [one.name for one in waiting if one.state in _AT_WORK]:
        return f"is at work: {listed(busy, 3)}"
    if retried := [one.name for one in waiting if one.state == "up_for_retry"]:
        return f"is about to try again: {listed(retried, 3)}"
    if queued := [one.name for one in waiting if one.state in ("queued", "scheduled")]:
        return f"waits for a free slot of its pool or a worker: {listed(queued, 3)}"
    past = [one.name for one in waiting if one.state == NO_STATE and _waits_for_past(graph, one)]
    if past:
        return f"waits for the run before it (depends_on_past): {listed(past, 3)}"
    return "is about to go on"


def _behind(api: Bounded, target: Target) -> str:
    dag = api.find(f"{dag_path(target.dag_id)}/details") or {}
    most = dag.get("max_active_runs")
    query = {"state": ["running"], "limit": 1}
    answer = api.get(f"{dag_path(target.dag_id)}/dagRuns", query)
    running = answer["total_entries"] if all(row["state"] == "running" for row in answer["dag_runs"]) else 0
    if most and running >= most:
        others = f"{running} other run{'' if running == 1 else 's'} of its DAG"
        return f"{others}, {most} may run at once (max_active_runs)"
    return "Airflow has not started it yet"


def _waits_for_past(graph: Graph, one: TaskState) -> bool:
    node = graph.tasks.get(one.task_id)
    return node is not None and node.waits_for_past
