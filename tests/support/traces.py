"""What an Airflow knows of its DAGs, to be compared: nobody has touched anything when it stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from incident_response.airflow_api import AirflowApi

_PAGE = 100


def traces(api: AirflowApi, user: str, *dag_ids: str) -> dict[str, Any]:
    """The audit log of these DAGs and of all that `user` has done; what runs, and what it is set to."""
    log = _all(api, "/eventLogs", "event_logs")
    kept = ("event_log_id", "event", "owner", "dag_id", "run_id", "task_id", "map_index")
    runs = [run for dag_id in dag_ids for run in _all(api, f"/dags/{dag_id}/dagRuns", "dag_runs")]
    return {
        "log": sorted(
            tuple(row[field] for field in kept)
            for row in log
            if row["owner"] == user or row["dag_id"] in dag_ids
        ),
        "dags": {dag_id: api.get(f"/dags/{dag_id}")["is_paused"] for dag_id in dag_ids},
        "runs": {(run["dag_id"], run["dag_run_id"]): _without_times(run) for run in runs},
        "tasks": {
            (row["dag_id"], row["dag_run_id"], row["task_id"], row["map_index"]): _without_times(row)
            for run in runs
            for row in _all(
                api,
                f"/dags/{run['dag_id']}/dagRuns/{quote(run['dag_run_id'], safe='')}/taskInstances",
                "task_instances",
            )
        },
        "variables": {row["key"]: row["value"] for row in _all(api, "/variables", "variables")},
        "backfills": [
            row["id"] for dag_id in dag_ids for row in api.get("/backfills", {"dag_id": dag_id})["backfills"]
        ],
    }  # fmt: skip


def _without_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of one that is running Airflow counts the seconds."""
    return {key: row.get(key) for key in ("state", "try_number", "note", "conf", "start_date")}


def _all(api: AirflowApi, path: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        answer = api.get(path, {"limit": _PAGE, "offset": len(rows)})
        rows += answer[name]
        if not answer[name] or len(rows) >= answer["total_entries"]:
            return rows
