"""An Airflow in memory: as much of its REST API as the actions use, with its refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable


class FakeAirflow:
    """Implements ports.AirflowRest. `calls` are the changing requests; `away` lets the next request fail."""

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, Any]] = {}
        self.runs: dict[tuple[str, str], dict[str, Any]] = {}
        self.instances: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.edges: list[tuple[str, str]] = []  # from task to task, in every DAG
        self.removed: set[str] = set()  # tasks that are in no DAG any more
        self.most_active = 16
        self.logs: dict[str, list[Any]] = {}
        self.variables: dict[str, str] = {}
        # answers by the first part of the path
        self.other: dict[str, Any] = {
            "eventLogs": {"event_logs": []},
            "version": {},
            "assets": {"assets": []},
        }
        self.calls: list[Mapping[str, Any]] = []
        self.break_after: str = ""  # the answer to a request whose path ends so is lost, its effect is not

    def run(self, dag_id: str, run_id: str, state: str, /, **tasks: str) -> None:
        """A run with task instances by name and state; `name__3` is map index 3."""
        self.dags.setdefault(dag_id, {"dag_id": dag_id, "is_paused": False, "is_stale": False})
        self.runs[dag_id, run_id] = {
            "dag_id": dag_id, "dag_run_id": run_id, "state": state, "run_after": "2026-03-02T02:00:00Z",
            "start_date": "2026-03-02T02:00:00Z", "end_date": "2026-03-02T02:00:30Z", "conf": {},
            "dag_versions": [{"version_number": 3}], "bundle_version": "abc", "logical_date": None,
        }  # fmt: skip
        self.instances[dag_id, run_id] = [
            {"dag_id": dag_id, "dag_run_id": run_id,
             "task_id": name.split("__")[0], "map_index": int([*name.split("__"), "-1"][1]),
             "state": state, "try_number": 1, "start_date": "2026-03-02T02:00:00Z",
             "end_date": "2026-03-02T02:00:20Z"}
            for name, state in tasks.items()
        ]  # fmt: skip

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        params = params or {}
        if parts[0] in self.other:
            return self.other[parts[0]]
        if parts[0] == "variables":
            return self._variable(parts[1])
        if parts[1] not in self.dags:
            raise AirflowRefused("Dag was not found", status=404)
        if len(parts) == 2:
            return self.dags[parts[1]]
        if parts[2] == "tasks":
            return {"tasks": list(self.tasks(parts[1]))}
        if parts[2] == "details":
            return {**self.dags[parts[1]], "max_active_runs": self.most_active}
        if len(parts) == 3:
            found = self._runs_of(parts[1], params)
            return {"dag_runs": found[: params["limit"]], "total_entries": len(found)}
        key = (parts[1], parts[3])
        if key not in self.runs:
            raise AirflowRefused("DagRun was not found", status=404)
        if len(parts) == 4:
            return self.runs[key]
        instances = self.instances[key]
        if len(parts) == 5:
            found = [dict(ti) for ti in instances if ti["state"] in params.get("state", [ti["state"]])]
            return {
                "task_instances": found[params["offset"] :][: params["limit"]],
                "total_entries": len(found),
            }
        if parts[-1] == "xcomEntries":
            return {"xcom_entries": []}
        if parts[-1] == "tries":
            return {"task_instances": [{"try_number": 1, "state": "failed"}]}
        if parts[6:7] != ["logs"]:
            return dict(self.instance(*key, parts[5], int([*parts, "-1"][6])))
        if parts[5] not in self.logs:
            raise AirflowRefused("no log", status=404)
        return {"content": self.logs[parts[5]]}

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST: clear, or a new variable."""
        if path == "/variables":
            self.calls.append(json)
            self.variables[json["key"]] = json["value"]
            return self._lost(path, {})
        dag_id = unquote(path.strip("/").split("/")[1])
        key = (dag_id, json["dag_run_id"])
        if key not in self.runs:
            raise AirflowRefused("DagRun was not found", status=404)
        named = [
            tuple(one) if isinstance(one, (list, tuple)) else (one, -1) for one in json.get("task_ids", ())
        ]
        wanted = self._with_downstream(dag_id, named) if json.get("include_downstream") else named
        chosen = [
            ti for ti in self.instances[key]
            if (not json["only_failed"] or ti["state"] in ("failed", "upstream_failed"))
            and (not wanted or (ti["task_id"], ti["map_index"]) in wanted)
        ]  # fmt: skip
        answer = {"task_instances": [dict(ti) for ti in chosen]}
        if not json["dry_run"]:
            self.calls.append(json)
            for ti in chosen:
                ti["state"] = None
            self.runs[key]["state"] = "queued"
            return self._lost(path, answer)
        return answer

    def tasks(self, dag_id: str) -> Iterator[dict[str, Any]]:
        """The graph: `edges` of the DAG, and all tasks that its runs hold."""
        names = {ti["task_id"] for (dag, _), tis in self.instances.items() if dag == dag_id for ti in tis}
        for name in sorted(names - self.removed):
            below = [after for before, after in self.edges if before == name]
            yield {"task_id": name, "trigger_rule": "all_success", "downstream_task_ids": below}

    def _with_downstream(self, dag_id: str, named: list[tuple[str, int]]) -> list[tuple[str, int]]:
        found, waiting = list(named), [task for task, _ in named]
        while waiting:
            name = waiting.pop()
            below = [after for before, after in self.edges if before == name and (after, -1) not in found]
            found += [(after, -1) for after in below]
            waiting += below
        return found

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """PATCH: a DAG, a run, a task instance, a variable."""
        self.calls.append(json)
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if path == "/variables":
            for key in json["actions"][0]["entities"]:
                del self.variables[key]
            return {"delete": {"success": [], "errors": []}}
        if parts[0] == "variables":
            self.variables[parts[1]] = json["value"]
        elif len(parts) == 2:
            self.dags[parts[1]].update(json)
        elif len(parts) == 4:
            self.runs[parts[1], parts[3]].update(json)
        else:
            ti = self.instance(parts[1], parts[3], parts[5], int([*parts, "-1"][6]))
            ti.update(state=json["new_state"], note=json.get("note"))
        return self._lost(path, {})

    def instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """A task instance, to be changed by a test."""
        found = [
            ti for ti in self.instances[dag_id, run_id]
            if (ti["task_id"], ti["map_index"]) == (task_id, map_index)
        ]  # fmt: skip
        if not found:
            raise AirflowRefused("TaskInstance was not found", status=404)
        return found[0]

    def _variable(self, key: str) -> Mapping[str, Any]:
        if key not in self.variables:
            raise AirflowRefused("Variable was not found", status=404)
        return {"key": key, "value": self.variables[key]}

    def _runs_of(self, dag_id: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The latest first."""
        runs = [run for (dag, _), run in self.runs.items() if dag == dag_id]
        found = [
            run for run in runs
            if run["state"] in params.get("state", [run["state"]])
            and run["run_after"] <= params.get("run_after_lte", run["run_after"])
        ]  # fmt: skip
        return sorted(found, key=lambda run: str(run["run_after"]), reverse=True)

    def _lost(self, path: str, answer: Any) -> Any:
        if self.break_after and path.endswith(self.break_after):
            self.break_after = ""
            raise AirflowUnavailable("the answer was lost")
        return answer


class Keys:
    """Effects in memory (actions.airflow_runs.Effects)."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.told: list[str] = []

    def begin(self, key: str) -> str | None:
        before = self.states.get(key)
        self.states.setdefault(key, "begun")
        return before

    def end(self, key: str, text: str, detail: Mapping[str, Any]) -> None:
        self.states[key] = "done"
        self.told.append(text)
