"""Runs and their task instances, by Airflow's REST API: what the one rule of domain.run_states is asked with.

By path where a path reaches them. A run id with a slash is 404 in every path: then by list, which finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.ports import AirflowRest
from incident_response.domain.run_states import (
    NO_STATE,
    SKIPPED,
    SUCCESS,
    Decision,
    Evidence,
    Graph,
    Key,
    Standing,
    TaskNode,
    TaskState,
    of_earlier_start,
    ran,
    standing,
)
from incident_response.domain.times import utc

_PAGE, _MOST = 100, 2_000  # 100: Airflow's own maximum, unless the site raised it
_MOST_RUNS = 1_000  # that are searched for one whose id no path reaches
_MOST_ASKED = 50  # tasks of one run that are asked for one by one
_DECISION = "skipmixin_key"  # the XCom in which Airflow's branches keep what they decided
_STOPPED = "skip task"  # what `fail_fast` writes into the audit log


def reachable(run_id: str) -> bool:
    """False for a run id that no path of the REST API reaches, however it is quoted."""
    return "/" not in run_id and run_id not in (".", "..")


def run_path(dag_id: str, run_id: str) -> str:
    """A run in the REST API. Run ids hold colons, pluses and percent signs."""
    return f"{dag_path(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def dag_path(dag_id: str) -> str:
    """A DAG in the REST API."""
    return f"/dags/{quote(dag_id, safe='')}"


def find_run(api: AirflowRest, dag_id: str, run_id: str) -> Mapping[str, Any] | None:
    """The run; None when there is none, or its DAG is gone."""
    if reachable(run_id):
        found: Mapping[str, Any] | None = _found(api, run_path(dag_id, run_id))
        return found
    # A pattern is asked for as well as it can be written: `%` and `_` are its own wildcards.
    query = {"run_id_pattern": run_id, "order_by": "-run_after"}
    path = f"{dag_path(dag_id)}/dagRuns"
    try:
        rows = _pages(lambda page: api.get(path, {**query, **page}), "dag_runs", _MOST_RUNS)
    except AirflowRefused as refused:
        if refused.status != 404:
            raise
        _found(api, dag_path(dag_id))  # a client that can tell a proxy's 404 does so here
        return None
    return next((row for row in rows if row["dag_run_id"] == run_id), None)


def instance_rows(
    api: AirflowRest, dag_id: str, run_id: str, states: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """The task instances of a run, those in `states` or all. Raises AirflowRefused, also with 404."""
    if not reachable(run_id):
        return listed_rows(api, dag_id, run_id, states)
    path = f"{run_path(dag_id, run_id)}/taskInstances"
    query = {"order_by": "id", **({"state": list(states)} if states else {})}
    rows = _pages(lambda page: api.get(path, {**query, **page}), "task_instances", _MOST)
    # Airflow 3.1 ignores parameters it does not know: rows are checked against what was asked.
    return [row for row in rows if not states or row["state"] in states]


def listed_rows(
    api: AirflowRest, dag_id: str, run_id: str, states: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """By list: whatever the run's id, and also while the DAG's file is broken.

    Airflow writes a row into its audit log at each call.
    """
    asked = {"dag_ids": [dag_id], "dag_run_ids": [run_id], **({"state": list(states)} if states else {})}

    def ask(page: Mapping[str, int]) -> Any:
        body = {**asked, "page_limit": page["limit"], "page_offset": page["offset"]}
        return api.post("/dags/~/dagRuns/~/taskInstances/list", body)

    rows = [row for row in _pages(ask, "task_instances", _MOST) if not states or row["state"] in states]
    return [row for row in rows if row["dag_id"] == dag_id and row["dag_run_id"] == run_id]


def judged(api: AirflowRest, run: Mapping[str, Any], *, by_list: bool = False) -> Standing:
    """How a run stands, by its row. `by_list`: also while the DAG's file is broken."""
    return judge(api, run, read_states(api, run, by_list=by_list))


def read_states(api: AirflowRest, run: Mapping[str, Any], *, by_list: bool = False) -> list[TaskState]:
    """All its task instances (the first two thousand)."""
    read = listed_rows if by_list else instance_rows
    return [task_state(row) for row in read(api, run["dag_id"], run["dag_run_id"])]


def judge(
    api: AirflowRest, run: Mapping[str, Any], states: Sequence[TaskState], graph: Graph | None = None
) -> Standing:
    """What is needed beside the task instances is only asked for while a skip is unexplained."""
    run_state, started_at = str(run["state"]), _moment(run.get("start_date"))
    skipped = [one for one in states if one.state == SKIPPED]
    if not skipped:
        return standing(run_state, states, graph or Graph(), None, started_at)
    graph = read_graph(api, run["dag_id"]) if graph is None else graph
    known = Evidence(
        _decisions(api, run["dag_id"], run["dag_run_id"], states),
        _rewound(api, run, [one for one in skipped if ran(one) and of_earlier_start(one, started_at)]),
    )
    found = standing(run_state, states, graph, known, started_at)
    could = standing(run_state, states, graph, replace(known, stopped=frozenset()), started_at)
    if len(could.cut_off) == len(found.cut_off):
        return found
    return standing(run_state, states, graph, replace(known, stopped=_stopped(api, run)), started_at)


def read_graph(api: AirflowRest, dag_id: str) -> Graph:
    """The DAG as it is defined now; empty when it is gone, or the user may not read it."""
    answer = _told(api, f"{dag_path(dag_id)}/tasks")
    return graph_of({row["task_id"]: row for row in (answer or {"tasks": ()})["tasks"]})


def graph_of(tasks: Mapping[str, Mapping[str, Any]]) -> Graph:
    """From rows of the REST API by task."""
    nodes = {
        task_id: TaskNode(
            task_id,
            row.get("trigger_rule") or "all_success",
            tuple(row.get("downstream_task_ids") or ()),
            bool(row.get("is_mapped")),
            bool(row.get("depends_on_past") or row.get("wait_for_downstream")),
        )
        for task_id, row in tasks.items()
    }
    return Graph(nodes)


def task_state(row: Mapping[str, Any]) -> TaskState:
    """From a row of the REST API."""
    return TaskState(
        row["task_id"],
        row["map_index"],
        row["state"] or NO_STATE,
        row["try_number"],
        _moment(row.get("start_date")),
        _moment(row.get("end_date")),
        f"{row.get('operator_name') or ''} {row.get('operator') or ''}".strip(),
    )


def _decisions(
    api: AirflowRest, dag_id: str, run_id: str, states: Sequence[TaskState]
) -> dict[str, Decision]:
    """What branches and short circuits of this run decided. Where no path reaches it, nobody knows."""
    found: dict[str, Decision] = {}
    if not reachable(run_id):
        return found
    instances = f"{run_path(dag_id, run_id)}/taskInstances"
    listed = _told(api, f"{instances}/~/xcomEntries", {"xcom_key": _DECISION, "limit": _PAGE})
    names = {one.task_id for one in states if one.state == SUCCESS}
    for row in (listed or {}).get("xcom_entries") or ():
        # Airflow 3.1 ignores parameters it does not know.
        if row.get("key") != _DECISION or row["task_id"] not in names or len(found) >= _MOST_ASKED:
            continue
        answer = _told(api, f"{instances}/{quote(row['task_id'], safe='')}/xcomEntries/{_DECISION}")
        if isinstance(value := (answer or {}).get("value"), Mapping):
            found[row["task_id"]] = _decision(value)
    return found


def _rewound(api: AirflowRest, run: Mapping[str, Any], stale: Sequence[TaskState]) -> frozenset[Key] | None:
    """Those of `stale` that were cleared and have not begun since: Airflow keeps their last try twice."""
    if not reachable(run["dag_run_id"]) or len(stale) > _MOST_ASKED:
        return None
    found = set()
    for one in stale:
        path = f"{run_path(run['dag_id'], run['dag_run_id'])}/taskInstances/{quote(one.task_id, safe='')}"
        mapped = f"/{one.map_index}" if one.map_index >= 0 else ""
        answer = _told(api, f"{path}{mapped}/tries")
        tries = [row["try_number"] for row in (answer or {"task_instances": ()})["task_instances"]]
        if len(tries) != len(set(tries)) or not tries:
            found.add(one.key)
    return frozenset(found)


def _stopped(api: AirflowRest, run: Mapping[str, Any]) -> frozenset[Key] | None:
    """What `fail_fast` skipped in this run, by the audit log, which is not for everyone."""
    query = {"dag_id": run["dag_id"], "run_id": run["dag_run_id"], "event": _STOPPED, "limit": _PAGE}
    try:
        answer = api.get("/eventLogs", query)
    except AirflowRefused:
        return None
    if answer["total_entries"] > _PAGE:
        return None
    rows = [row for row in answer["event_logs"] if row["event"] == _STOPPED]
    return frozenset(
        (row["task_id"], -1 if row["map_index"] is None else row["map_index"])
        for row in rows
        if row["run_id"] == run["dag_run_id"] and row["dag_id"] == run["dag_id"]
    )


def _decision(value: Mapping[str, Any]) -> Decision:
    followed = value.get("followed")
    return Decision(
        frozenset(map(_task_of, followed)) if isinstance(followed, (list, tuple)) else None,
        frozenset(map(_task_of, value.get("skipped") or ())),
    )


def _task_of(entry: Any) -> str:
    """A task, or one with its map index."""
    return str(entry[0] if isinstance(entry, (list, tuple)) and entry else entry)


def _told(api: AirflowRest, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """GET of what not everyone may read; None when there is no such thing, or it is refused."""
    try:
        return _found(api, path, params)
    except AirflowRefused:
        return None


def _found(api: AirflowRest, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """GET; None when there is no such thing. A client that can tell a proxy's 404 is asked so."""
    find: Callable[[str], Any] | None = getattr(api, "find", None)
    if find is not None and params is None:
        return find(path)
    try:
        return api.get(path, params)
    except AirflowRefused as refused:
        if refused.status != 404:
            raise
        return None


def _pages(ask: Callable[[dict[str, int]], Any], field: str, most: int) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    while True:
        answer = ask({"limit": _PAGE, "offset": len(rows)})
        rows += answer[field]
        if not answer[field] or len(rows) >= min(answer["total_entries"], most):
            return rows


def _moment(text: str | None) -> datetime | None:
    return utc(datetime.fromisoformat(text.replace("Z", "+00:00"))) if text else None
