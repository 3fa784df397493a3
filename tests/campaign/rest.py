"""Airflow's REST API before a run in memory: as much of it as the actions use, in Airflow's own shapes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

from incident_response.domain.errors import AirflowRefused

from .instance import Instance
from .scheduler import Run

BEGINNING = datetime(2026, 3, 2, 2, tzinfo=timezone.utc)
_LOG = {"event": "ConnectionError: upstream reset the connection", "level": "error"}
_OPERATORS = {"branch": "BranchPythonOperator", "short": "ShortCircuitOperator"}


class ModelAirflow:
    """Implements ports.AirflowRest. `cleared`: what each request to clear took, in their order."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.cleared: list[set[tuple[str, int]]] = []

    def now(self) -> datetime:
        """By the run's clock."""
        return _time(self.run.now) or BEGINNING

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET."""
        parts, asked = _parts(path), dict(params or {})
        match parts:
            case ["version"]:
                return {"version": "3"}
            case ["eventLogs"]:
                rows = [self._audited(row) for row in self.run.audit]
                rows = [row for row in rows if row["event"] == asked.get("event", row["event"])]
                return {"event_logs": rows, "total_entries": len(rows)}
            case ["backfills"]:
                return {"backfills": [], "total_entries": 0}
            case ["dags", self.run.dag_id] | ["dags", self.run.dag_id, "details"]:
                tags = [{"name": tag} for tag in sorted(self.run.dag.tags)]
                return {"dag_id": self.run.dag_id, "is_paused": False, "is_stale": False, "tags": tags}
            case ["assets"]:
                return {"assets": [], "total_entries": 0}
            case ["dags", self.run.dag_id, "tasks"]:
                return {"tasks": [self._task(task) for task in self.run.dag.tasks]}
            case ["dags", self.run.dag_id, "dagRuns"]:
                return {"dag_runs": [], "total_entries": 0} if asked.get("state") else self._runs()
            case ["dags", self.run.dag_id, "dagRuns", self.run.run_id, *rest]:
                return self._of_run(rest, asked)
        raise AirflowRefused(f"no such thing: {path}", status=404)

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST: clear, or a list."""
        match _parts(path):
            case ["dags", self.run.dag_id, "clearTaskInstances"]:
                found = self.run.clear(json)
                if not json.get("dry_run", True):
                    self.cleared.append({one.place for one in found})
                return {"task_instances": [self._row(one) for one in found], "total_entries": len(found)}
            case ["dags", "~", "dagRuns", "~", "taskInstances", "list"]:
                query = {"limit": json.get("page_limit", 100), "offset": json.get("page_offset", 0)}
                return self._instances({**query, "state": json.get("state")})
            case ["dags", "~", "dagRuns", "list"]:
                return self._runs()
        raise AirflowRefused(f"no such thing: {path}", status=404)

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """No repair of the campaign changes anything by it."""
        raise AirflowRefused(f"not in the campaign: PATCH {path} {dict(json)}", status=403)

    def _of_run(self, rest: list[str], asked: Mapping[str, Any]) -> Any:
        match rest:
            case []:
                return self._run()
            case ["taskInstances"]:
                return self._instances(asked)
            case ["taskInstances", "~", "xcomEntries"]:
                rows = [
                    {"key": "skipmixin_key", "task_id": task, "map_index": index}
                    for task, index in self.run.decisions
                ]
                return {"xcom_entries": rows, "total_entries": len(rows)}
            case ["taskInstances", task, "xcomEntries", "skipmixin_key"]:
                decided = self.run.decisions.get((task, int(asked.get("map_index", -1))))
                if decided is None:
                    raise AirflowRefused("XCom entry was not found", status=404)
                return {"key": "skipmixin_key", "task_id": task, "value": decided}
            case ["taskInstances", task, *more]:
                index = int(more.pop(0)) if more and more[0].isdigit() else -1
                return self._of_instance(self._instance(task, index), more)
        raise AirflowRefused(f"no such thing: {rest}", status=404)

    def _of_instance(self, one: Instance, rest: list[str]) -> Any:
        match rest:
            case []:
                return self._row(one)
            case ["tries"]:
                tries = [*one.tries, (one.try_number, one.state)]
                rows = [{**self._row(one), "try_number": number, "state": state} for number, state in tries]
                return {"task_instances": rows, "total_entries": len(rows)}
            case ["logs", _]:
                return {"content": [_LOG]}
        raise AirflowRefused(f"no such thing: {rest}", status=404)

    def _instance(self, task: str, index: int) -> Instance:
        for one in self.run.task_instances:
            if one.place == (task, index):
                return one
        raise AirflowRefused(f"The Task Instance {task} {index} was not found", status=404)

    def _instances(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        states = asked.get("state")
        found = [one for one in self.run.task_instances if not states or (one.state or "none") in states]
        start = int(asked.get("offset", 0))
        rows = [self._row(one) for one in found[start:][: int(asked.get("limit", 100))]]
        return {"task_instances": rows, "total_entries": len(found)}

    def _runs(self) -> dict[str, Any]:
        return {"dag_runs": [self._run()], "total_entries": 1}

    def _run(self) -> dict[str, Any]:
        return {
            "dag_id": self.run.dag_id, "dag_run_id": self.run.run_id, "state": self.run.state,
            "logical_date": None, "run_after": _text(0), "queued_at": _text(0), "run_type": "manual",
            "start_date": _text(self.run.started), "end_date": _text(self.run.ended), "conf": {},
            "dag_versions": [{"version_number": 1}], "bundle_version": None, "triggered_by": "rest_api",
        }  # fmt: skip

    def _row(self, one: Instance) -> dict[str, Any]:
        kind = self.run.pipeline.task(one.task_id).kind
        operator = _OPERATORS.get(kind, "PythonOperator")
        return {
            "dag_id": self.run.dag_id, "dag_run_id": self.run.run_id, "task_id": one.task_id,
            "map_index": one.map_index, "state": one.state, "try_number": one.try_number,
            "max_tries": one.try_number, "start_date": _text(one.started), "end_date": _text(one.ended),
            "operator": operator, "operator_name": operator, "note": None, "logical_date": None,
            "run_after": _text(0), "trigger": None, "pool": "default_pool", "hostname": "here",
        }  # fmt: skip

    def _task(self, task: Any) -> dict[str, Any]:
        kind = self.run.pipeline.task(task.task_id).kind
        rule = getattr(task.trigger_rule, "value", task.trigger_rule)
        return {
            "task_id": task.task_id, "trigger_rule": str(rule), "is_mapped": bool(task.is_mapped),
            "downstream_task_ids": sorted(task.downstream_task_ids), "depends_on_past": False,
            "wait_for_downstream": False, "operator_name": _OPERATORS.get(kind, "PythonOperator"),
        }  # fmt: skip

    def _audited(self, row: Any) -> dict[str, Any]:
        return {
            "event": row.event, "dag_id": row.dag_id, "run_id": row.run_id, "task_id": row.task_id,
            "map_index": row.map_index, "owner": row.owner, "extra": row.extra, "when": _text(self.run.now),
            "try_number": row.try_number,
        }  # fmt: skip


def _parts(path: str) -> list[str]:
    return [unquote(part) for part in path.strip("/").split("/")]


def _time(tick: int | None) -> datetime | None:
    return None if tick is None else BEGINNING + timedelta(seconds=tick)


def _text(tick: int | None) -> str | None:
    moment = _time(tick)
    return moment.isoformat().replace("+00:00", "Z") if moment else None
