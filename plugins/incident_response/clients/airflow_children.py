"""Which run a task has started or waited for, by Airflow's REST API.

Airflow keeps no link from a run to the task that started it. The task keeps three traces: the XCom
`trigger_run_id`, the link of its page, and its rendered fields. None of them is there always: the XCom is
gone once the task was cleared, 3.1 tells no rendered fields, and 3.3 links to a run `None` then. A task that
starts a run by other means (the Task SDK's own messages, a client of its own) leaves none, and is a task like
any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.ports import AirflowRest

STARTED = "trigger_run_id"  # the XCom of Airflow's own operator, and of what is derived from it
_TRIGGERS, _SENSES = "triggerdagrun", "externaltask"
_PAGE = re.compile(r"/dags/([^/?#]+)(?:/runs/([^?#]+))?")


@dataclass(frozen=True)
class Child:
    """A run of another DAG, as a task names it."""

    dag_id: str
    run_id: str

    @property
    def name(self) -> str:
        """For people: `dag/run`."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def path(self) -> str:
        """In the REST API."""
        return f"/dags/{quote(self.dag_id, safe='')}/dagRuns/{quote(self.run_id, safe='')}"

    def data(self) -> dict[str, str]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Child:
        """From JSON."""
        return cls(str(data["dag_id"]), str(data["run_id"]))


def may_start(operator: str) -> bool:
    """By the name of its class: a task that starts runs of other DAGs."""
    return _TRIGGERS in operator.replace("_", "").lower()


def may_wait(operator: str) -> bool:
    """By the name of its class: a task that starts runs of other DAGs, or waits for them."""
    return may_start(operator) or _SENSES in operator.replace("_", "").lower()


def starters(api: AirflowRest, dag_id: str, run_id: str) -> frozenset[tuple[str, int]]:
    """The task instances of a run that started another, whatever their class is called: (task, map index)."""
    path = f"{Child(dag_id, run_id).path}/taskInstances/~/xcomEntries"
    rows = (_found(api, path, {"xcom_key": STARTED, "limit": 100}) or {}).get("xcom_entries") or ()
    return frozenset((row["task_id"], row["map_index"]) for row in rows if row.get("key") == STARTED)


def child_of(api: AirflowRest, row: Mapping[str, Any]) -> Child | None:
    """The run that a task instance (its row) has started; None when there is no such run (any more).

    Raises AirflowRefused when it may be there and nobody may read it: then the task must not be repeated.
    """
    for child in _candidates(api, row):
        try:
            api.get(child.path)
        except AirflowRefused as refused:
            if refused.status != 404:
                raise
        else:
            return child
    return None


def awaited_dag(api: AirflowRest, row: Mapping[str, Any]) -> str:
    """The DAG that a task instance started or waited for; empty when nothing tells."""
    fields = row.get("rendered_fields") or {}
    told = fields.get("trigger_dag_id") or fields.get("external_dag_id")
    return str(told or next((dag_id for dag_id, _ in _links(api, row)), ""))


def _candidates(api: AirflowRest, row: Mapping[str, Any]) -> Iterator[Child]:
    fields = row.get("rendered_fields") or {}
    pushed = _found(api, f"{_path(row)}/xcomEntries/{STARTED}", {"map_index": row["map_index"]})
    links = list(_links(api, row))
    dags = dict.fromkeys([fields.get("trigger_dag_id"), *(dag_id for dag_id, _ in links)])
    runs = dict.fromkeys(
        [(pushed or {}).get("value"), fields.get("trigger_run_id"), *(run_id for _, run_id in links)]
    )
    yield from (Child(str(d), str(r)) for d in dags if d for r in runs if r and r != "None")


def _links(api: AirflowRest, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(DAG, run or "") that the links of its page lead to."""
    answer = _found(api, f"{_path(row)}/links", {"map_index": row["map_index"]})
    for address in ((answer or {}).get("extra_links") or {}).values():
        if found := _PAGE.search(urlsplit(str(address or ""))._replace(query="", fragment="").geturl()):
            run_id = found.group(2) or ""
            yield unquote(found.group(1)), run_id
            if unquote(run_id) != run_id:
                yield unquote(found.group(1)), unquote(run_id)


def _path(row: Mapping[str, Any]) -> str:
    run = Child(row["dag_id"], row["dag_run_id"]).path
    return f"{run}/taskInstances/{quote(row['task_id'], safe='')}"


def _found(api: AirflowRest, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """GET; None when there is no such thing, or when the user of the API may not see it."""
    try:
        return api.get(path, params)
    except AirflowRefused as refused:
        if refused.status not in (403, 404):
            raise
        return None
