"""What a clear would repeat although it had succeeded, and what of that acts on others than its own run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incident_response.clients.airflow_states import dag_path
from incident_response.domain.errors import AirflowRefused
from incident_response.domain.redaction import one_line
from incident_response.domain.run_states import Key, TaskState

from .airflow_bounds import Bounded
from .airflow_records import listed

TAG = "not-repeatable"  # of a DAG; `not-repeatable:<task>` is of one task, and so is the word in its doc_md
_TEARDOWN = "all_done_setup_success"  # the trigger rule of every teardown
# By the name of the operator or its class: what it tells people, and what it starts, is not taken back.
_TELLS = re.compile(
    r"(?i:e?mail|smtp|slack|telegram|discord|teams|mattermost|matrix|pagerduty|opsgenie|twilio|whatsapp)"
    r"|(?i:notif|webhook|chat|jira|zendesk|publish)|S[nm]s(?![a-z])"
)
_STARTS = re.compile(r"(?i:trigger_?dag_?run)")


@dataclass(frozen=True)
class Repeated:
    """What is said of a clear's followers."""

    asks: str = ""  # why a person has to approve it
    wakes: str = ""  # which DAGs the assets of cleared tasks wake again; empty: none


def repeated(
    api: Bounded,
    dag_id: str,
    dag: Mapping[str, Any],
    tasks: Mapping[str, Mapping[str, Any]],
    cleared: Sequence[TaskState],
    hurt: Iterable[Key],
    *,
    whole: bool = False,
) -> Repeated:
    """Judge the list of a clear, or of that of a `whole` run.

    `tasks` are rows of the API by task, `hurt` what has to run again anyway.
    """
    failed = set(hurt)
    made_for_it = _setups(tasks, cleared, {one.key for one in cleared} if whole else failed)
    work = [one for one in cleared if one.task_id not in made_for_it]
    consumers = _consumers(api, dag_id, {one.task_id for one in work})
    reasons = []
    for one in work:
        tagged = _tagged(one, dag, tasks.get(one.task_id, {}))
        did = one.key not in failed and one.state == "success"
        if tagged and (did or one.key in failed):
            reasons.append(f"{one.name} is tagged {TAG}")
        elif did and _TELLS.search(one.operator):
            reasons.append(f"{one.name} ({one.operator.split()[0]}) would tell people again")
        elif did and _STARTS.search(one.operator):
            reasons.append(f"{one.name} would start another run")
        elif did and one.task_id in consumers:
            reasons.append(f"{one.name} would wake {listed(consumers[one.task_id], 3)} again")
    woken = sorted({dag for names in consumers.values() for dag in names})
    said = list(dict.fromkeys(reasons))
    return Repeated(one_line(listed(said, 3), 300) if said else "", listed(woken, 3))


def _setups(
    tasks: Mapping[str, Mapping[str, Any]], cleared: Sequence[TaskState], failed: set[Key]
) -> set[str]:
    """Setups and teardowns are made to be repeated. Airflow's API tells teardowns by their rule; what a clear
    names beside what failed and what is downstream of it are setups.
    """
    below, waiting = set(), [task for task, _ in failed]
    while waiting:
        for task in tasks.get(waiting.pop(), {}).get("downstream_task_ids") or ():
            if task not in below:
                below.add(task)
                waiting.append(task)
    own = {task for task, _ in failed}
    teardowns = {task for task, row in tasks.items() if row.get("trigger_rule") == _TEARDOWN}
    return teardowns | {one.task_id for one in cleared if one.task_id not in below | own}


def _tagged(one: TaskState, dag: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    tags = {str(tag.get("name")) for tag in dag.get("tags") or ()}
    return bool(tags & {TAG, f"{TAG}:{one.task_id}"}) or TAG in str(task.get("doc_md") or "")


def _consumers(api: Bounded, dag_id: str, tasks: set[str]) -> dict[str, list[str]]:
    """By producing task: the DAGs that its assets wake."""
    try:
        rows = api.get("/assets", {"dag_ids": [dag_id], "limit": 100})["assets"]
    except AirflowRefused:  # it is not for everyone
        return {}
    found: dict[str, set[str]] = {}
    for row in rows:
        woken = {consumer["dag_id"] for consumer in row.get("scheduled_dags") or ()}
        for producer in row.get("producing_tasks") or ():
            if woken and producer["dag_id"] == dag_id and producer["task_id"] in tasks:
                found.setdefault(producer["task_id"], set()).update(woken)
    return {task: sorted(dags) for task, dags in found.items()}


def task_rows(api: Bounded, dag_id: str) -> dict[str, Mapping[str, Any]]:
    """The tasks of a DAG by id, as the API tells them; empty when it is gone."""
    answer = api.find(f"{dag_path(dag_id)}/tasks")
    return {row["task_id"]: row for row in (answer or {"tasks": ()})["tasks"]}
