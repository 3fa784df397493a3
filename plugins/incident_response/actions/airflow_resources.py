"""airflow.resources: is Airflow itself well, and has it room for more tasks?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, NaiveTime
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_records import listed, moment
from .kit import Kit

_COMPONENTS = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "DAG processor"}
_STATES = ("queued", "scheduled", "running")
_SLOTS = ("open", "running", "queued", "scheduled", "deferred")
_PAGE, _KEPT = 100, 50


class Resources:
    """Looks."""

    parameters: ClassVar[type[Parameters]] = models.Resources

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Components first: without the metadata database nothing else can be told."""
        api = Bounded(self._kit.airflow, scene.seconds)
        health = api.get("/monitor/health")
        trouble = self._down(health, scene.parameters)
        if (health.get("metadatabase") or {}).get("status") != "healthy":
            text = "Airflow cannot read its metadata database"
            return Finding(text, {"components": {"metadatabase": text}}, causes=("airflow_unhealthy",))
        lines = {state: _tasks(api, state) for state in _STATES}
        totals = {state: total for state, (total, _) in lines.items()}
        pools = _pools(api, (row["pool"] for _, rows in lines.values() for row in rows))
        starved = self._starved(pools, lines["scheduled"][1], scene.parameters)
        causes = [*(["airflow_unhealthy"] if trouble else []), *(["pool_starved"] if starved else [])]
        data = {"components": trouble, **totals, "pools": pools[:_KEPT], "starved": starved}
        exhibits = (Exhibit("airflow-tasks.txt", "\n".join(_lines(lines))),)
        return Finding(_text(trouble, totals, starved), data, exhibits, tuple(causes))

    def _down(self, health: Mapping[str, Any], limits: models.Resources) -> dict[str, str]:
        """What is wrong, by component. The status of one that this installation never started is null."""
        found = {}
        for name, title in _COMPONENTS.items():
            told = health.get(name) or {}
            age = self._age(told.get(f"latest_{name}_heartbeat"))
            if not told.get("status"):
                continue
            if age is not None and age > limits.heartbeat_late.total_seconds():
                found[name] = f"{title} without a sign of life for {int(age)} s"
            elif told["status"] != "healthy":
                found[name] = f"{title} is {one_line(str(told['status']), 40)}"
        return found

    def _starved(
        self,
        pools: Sequence[Mapping[str, Any]],
        waiting: Sequence[Mapping[str, Any]],
        limits: models.Resources,
    ) -> list[str]:
        full = {pool["name"] for pool in pools if pool["slots"] >= 0 and pool["open"] <= 0}
        late = limits.waiting_longer.total_seconds()
        ages = [(row["pool"], self._age(row.get("scheduled_when"))) for row in waiting if row["pool"] in full]
        return sorted({name for name, age in ages if age is not None and age >= late})[:_KEPT]

    def _age(self, text: str | None) -> float | None:
        try:
            since: datetime | None = moment(text)
        except (ValueError, NaiveTime):
            return None
        return (self._kit.now() - since).total_seconds() if since else None


def _tasks(api: Bounded, state: str) -> tuple[int, list[Mapping[str, Any]]]:
    """How many, and those of the oldest runs. GET, because POST writes into Airflow's audit log."""
    query = {"state": [state], "order_by": "run_after", "limit": _PAGE}
    answer = api.get("/dags/~/dagRuns/~/taskInstances", query)
    return int(answer["total_entries"]), [row for row in answer["task_instances"] if row["state"] == state]


def _pools(api: Bounded, used: Iterable[str]) -> list[dict[str, Any]]:
    """On 3.1 a pool without end (-1 slots) answers 500, and so does a list that holds one: then singly."""
    try:
        rows = api.get("/pools", {"limit": _PAGE})["pools"]
    except AirflowUnavailable:
        rows = [row for name in sorted({"default_pool", *used})[:_KEPT] if (row := _pool(api, name))]
    return [
        {"name": row["name"], "slots": row["slots"], **{kind: row[f"{kind}_slots"] for kind in _SLOTS}}
        for row in rows
    ]


def _pool(api: Bounded, name: str) -> Mapping[str, Any] | None:
    try:
        row: Mapping[str, Any] = api.get(f"/pools/{quote(name, safe='')}")
    except (AirflowUnavailable, AirflowRefused):
        return None
    return row


def _lines(lines: Mapping[str, tuple[int, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """The tasks for people, one in a line."""
    told = []
    for state, (total, rows) in lines.items():
        told.append(f"{total} {state}")
        told += [
            f"  {row['dag_id']}.{row['task_id']}[{row['map_index']}] {row['dag_run_id']} pool={row['pool']} "
            f"host={row.get('hostname') or '-'} "
            f"since={row.get('start_date') or row.get('scheduled_when') or '-'}"
            for row in rows[:_KEPT]
        ]
    return told


def _text(trouble: Mapping[str, str], totals: Mapping[str, int], starved: Sequence[str]) -> str:
    well = f"Airflow's {listed(trouble.values(), 3)}" if trouble else "All components of Airflow beat"
    tasks = ", ".join(f"{totals[state]} {state}" for state in _STATES)
    pools = f"; starved: {listed(starved, 3)}" if starved else ""
    return one_line(f"{well}; tasks: {tasks}{pools}", 200)
