"""A small Airflow behind the port `AirflowRest`: rows that a test sets, the filters that a scan uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from incident_response.domain.errors import AirflowRefused


@dataclass
class FakeAirflow:
    """`asked` keeps every request; `refuses` names paths that are answered with 403."""

    dags: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    import_errors: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    page: int = 100
    graphs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by DAG: rows of its tasks

    # --- what a test sets

    def dag(self, dag_id: str, *tags: str, file: str = "") -> None:
        self.dags[dag_id] = {
            "dag_id": dag_id,
            "tags": [{"name": tag} for tag in tags],
            "owners": ["ada"],
            "bundle_name": "dags-folder",
            "relative_fileloc": file,
        }

    def run(self, dag_id: str, run_id: str, state: str, start: datetime, end: datetime | None = None) -> None:
        """Sets it, or changes it."""
        self.dags.get(dag_id) or self.dag(dag_id)
        self.runs = [run for run in self.runs if (run["dag_id"], run["dag_run_id"]) != (dag_id, run_id)]
        self.runs.append(
            {
                "dag_id": dag_id,
                "dag_run_id": run_id,
                "state": state,
                "start_date": _iso(start),
                "end_date": _iso(end),
                "logical_date": _iso(start),
            }
        )

    def task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        state: str = "failed",
        end: datetime | None = None,
        *,
        map_index: int = -1,
        try_number: int = 1,
    ) -> None:
        """Sets it, or changes it."""
        self.dags.get(dag_id) or self.dag(dag_id)
        key = (dag_id, run_id, task_id, map_index)
        self.tasks = [task for task in self.tasks if _key(task) != key]
        self.tasks.append(
            {
                "dag_id": dag_id,
                "dag_run_id": run_id,
                "task_id": task_id,
                "map_index": map_index,
                "try_number": try_number,
                "max_tries": 0,
                "state": state,
                "end_date": _iso(end),
                "logical_date": None,
            }
        )

    def broken(self, filename: str, at: datetime, trace: str = "Traceback\nSyntaxError: oh") -> None:
        self.import_errors.append(
            {
                "import_error_id": len(self.import_errors),
                "filename": filename,
                "bundle_name": "dags-folder",
                "timestamp": _iso(at),
                "stack_trace": trace,
            }
        )

    # --- AirflowRest

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self._ask("GET", path)
        asked = dict(params or {})
        page = {"limit": asked.get("limit"), "offset": asked.get("offset")}
        if path == "/eventLogs":
            return self._page("event_logs", self.audit, page)
        if path == "/importErrors":
            return self._page("import_errors", self.import_errors, page)
        if path == "/dags":
            return self._page("dags", list(self.dags.values()), page)
        if path == "/dags/~/dagRuns/~/taskInstances":
            return self._page("task_instances", _filtered(self.tasks, asked, "state"), page)
        parts = [unquote(part) for part in path.split("/")]
        if len(parts) == 3 and parts[2] in self.dags:
            return self.dags[parts[2]]
        if parts[-1] in ("tasks", "xcomEntries"):
            return {"tasks": self.graphs.get(parts[2], []), "xcom_entries": []}
        found = [
            r for r in self.runs if len(parts) == 5 and (r["dag_id"], r["dag_run_id"]) == (parts[2], parts[4])
        ]
        if not found:
            raise AirflowRefused(f"GET {path}: HTTP 404", status=404)
        return found[0]

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        self._ask("POST", path)
        page = {"limit": json.get("page_limit"), "offset": json.get("page_offset", 0)}
        if path == "/dags/~/dagRuns/list":
            return self._page("dag_runs", _filtered(self.runs, json, "states"), page)
        if path == "/dags/~/dagRuns/~/taskInstances/list":
            return self._page("task_instances", _filtered(self.tasks, json, "state"), page)
        raise AssertionError(path)

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        raise AssertionError(path)

    def _ask(self, method: str, path: str) -> None:
        self.asked.append(f"{method} {path}")
        if path in self.refuses:
            raise AirflowRefused(f"{method} {path}: HTTP 403", status=403)

    def _page(self, name: str, rows: list[dict[str, Any]], page: Mapping[str, Any]) -> dict[str, Any]:
        limit = min(page["limit"] or 50, self.page)
        return {name: rows[page["offset"] or 0 :][:limit], "total_entries": len(rows)}


def _filtered(rows: list[dict[str, Any]], asked: Mapping[str, Any], state: str) -> list[dict[str, Any]]:
    def wanted(row: dict[str, Any]) -> bool:
        return (
            row["state"] in asked.get(state, [row["state"]])
            and row["dag_id"] in asked.get("dag_ids", [row["dag_id"]])
            and row["dag_run_id"] in asked.get("dag_run_ids", [row["dag_run_id"]])
            and _within(row.get("end_date"), asked.get("end_date_gte"), None)
            and _within(row.get("start_date"), None, asked.get("start_date_lte"))
        )

    order = str(asked.get("order_by", "dag_id"))
    found = sorted(filter(wanted, rows), key=lambda row: str(row.get(order.lstrip("-"))))
    return found[::-1] if order.startswith("-") else found


def _within(text: str | None, least: str | None, most: str | None) -> bool:
    if least is None and most is None:
        return True
    if text is None:
        return False
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return not (least and at < datetime.fromisoformat(least)) and not (
        most and at > datetime.fromisoformat(most)
    )


def _key(task: Mapping[str, Any]) -> tuple[Any, ...]:
    return task["dag_id"], task["dag_run_id"], task["task_id"], task["map_index"]


def _iso(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None
