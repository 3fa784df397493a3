"""Failed DAG runs: find them, look at them, clear exactly their failed tasks, verify that they are green."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.ports import AirflowRest, Sighting

from .airflow_evidence import evidence

_ENDED = ("success", "failed")
_FAILED = ("failed", "upstream_failed")
_KEPT = 200  # failed task instances of one run in the timeline


@dataclass(frozen=True)
class Target:
    """One DAG run."""

    dag_id: str
    run_id: str

    @property
    def name(self) -> str:
        """For people and keys: `dag/run`."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def path(self) -> str:
        """In the REST API. Run ids hold colons and pluses."""
        return f"/dags/{quote(self.dag_id, safe='')}/dagRuns/{quote(self.run_id, safe='')}"


@dataclass(frozen=True)
class Instance:
    """A failed task instance, as it was seen before anything was changed."""

    task_id: str
    map_index: int
    try_number: int
    state: str

    @property
    def name(self) -> str:
        """`task` or `task[3]`."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def key(self) -> tuple[str, int]:
        """Identity within its run."""
        return (self.task_id, self.map_index)


@dataclass(frozen=True)
class Seen:
    """What the first look found of one run; kept in the timeline, where the next steps find it again."""

    target: Target
    state: str  # of the run; `missing` when there is no such DAG or run
    obstacle: str = ""  # why clearing would help nobody: a paused DAG
    failed: tuple[Instance, ...] = ()

    @property
    def is_failed(self) -> bool:
        """True when there is something to repair, also in a run whose other branches still work."""
        return self.state == "failed" or bool(self.failed)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Seen:
        """From JSON."""
        failed = tuple(Instance(**entry) for entry in data["failed"])
        return cls(Target(**data["target"]), data["state"], data["obstacle"], failed)


class Effects(Protocol):
    """Keys that are written before an effect is tried, so that a crash in between is found."""

    def begin(self, key: str) -> str | None:
        """None: try it; `begun`: an earlier try was cut off; `done`: it happened."""

    def end(self, key: str, text: str, detail: Mapping[str, Any]) -> None:
        """It happened."""


def named_runs(sightings: Iterable[Sighting]) -> list[Target]:
    """The runs that the incident's firing signals name, each once, oldest signal first.

    When none fires any more, all that they named: whoever repaired them, they are verified.
    """
    every = list(sightings)
    for chosen in ([sighting for sighting in every if sighting.firing], every):
        found = (Target(s.labels.get("dag_id", ""), s.labels.get("run_id", "")) for s in chosen)
        if named := [target for target in dict.fromkeys(found) if target.dag_id and target.run_id]:
            return named
    return []


def look(api: AirflowRest, target: Target, log_lines: int, *, closely: bool) -> tuple[Seen, dict[str, Any]]:
    """See how a run stands, and `closely` also why. Raises AirflowUnavailable; AirflowRefused except 404."""
    try:
        run, dag = api.get(target.path), api.get(f"/dags/{quote(target.dag_id, safe='')}")
    except AirflowRefused as error:
        if error.status != 404:
            raise
        return Seen(target, "missing"), {"run": target.name, "missing": _not_found(error)}
    failed = _failed_instances(api, target) if run["state"] != "success" else ()
    seen = Seen(target, run["state"], _obstacle(dag), failed[:_KEPT])
    names = [instance.key for instance in failed if instance.state == "failed"]
    return seen, evidence(api, target.path, run, names, log_lines) if closely and failed else {
        "run": target.name
    }


def clear(api: AirflowRest, seen: Seen, key: str, effects: Effects) -> str:
    """Clear the failed task instances of one run, once under `key`; the answer says what was done.

    Whoever finds the key `begun` looks at Airflow first: a try that was cut off may have happened.
    """
    before = effects.begin(key)
    if before == "done":
        return f"{seen.target.name} was cleared before"
    if before == "begun" and _was_cleared(api, seen):
        text = f"Cleared {seen.target.name}; found done after an interruption"
        effects.end(key, text, {"run": seen.target.name, "interrupted": True})
        return text
    path = f"/dags/{quote(seen.target.dag_id, safe='')}/clearTaskInstances"
    body = {"dry_run": True, "dag_run_id": seen.target.run_id, "only_failed": True, "reset_dag_runs": True}
    planned = api.post(path, body)["task_instances"]
    if not planned:
        text = f"{seen.target.name}: no failed task instance is left, nothing was cleared"
        effects.end(key, text, {"run": seen.target.name, "tasks": []})
        return text
    # Exactly what the dry run named: a bare task id would take every map index of a mapped task.
    exact = [[ti["task_id"], ti["map_index"]] if ti["map_index"] >= 0 else ti["task_id"] for ti in planned]
    cleared = api.post(path, {**body, "dry_run": False, "task_ids": exact})["task_instances"]
    names = [_instance(ti).name for ti in cleared]
    text = f"Cleared {seen.target.name}: {listed(names)}"
    effects.end(key, text, {"run": seen.target.name, "tasks": names})
    return text


def has_ended(api: AirflowRest, target: Target) -> bool:
    """True when a run is in a final state, or was deleted."""
    return state_of(api, target) in (*_ENDED, "missing")


def state_of(api: AirflowRest, target: Target) -> str:
    """The run's state; `missing` when it, or its DAG, does not exist any more."""
    try:
        return str(api.get(target.path)["state"])
    except AirflowRefused as error:
        if error.status != 404:
            raise
        return "missing"


def verify(api: AirflowRest, targets: Sequence[Target]) -> tuple[bool, str]:
    """Is each of these very runs green? With the proof, or with what is wrong."""
    states = {target.name: state_of(api, target) for target in targets}
    wrong = {name: state for name, state in states.items() if state != "success"}
    if not wrong:
        return True, f"Verified: {listed(states)} {'is' if len(states) == 1 else 'are'} green"
    texts = {
        "missing": "was not found in Airflow (deleted?), so nothing proves that it is repaired",
        "failed": "did not become green, it is failed",
    }
    return False, "; ".join(f"{name} {texts.get(state, f'is {state}')}" for name, state in wrong.items())


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b and 25 more`."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _was_cleared(api: AirflowRest, seen: Seen) -> bool:
    """True when any instance is no longer failed, or was tried since. Airflow clears all of them or none."""
    if state_of(api, seen.target) != "failed":
        return True
    now = {instance.key: instance for instance in _failed_instances(api, seen.target)}
    return any(
        before.key not in now or now[before.key].try_number > before.try_number for before in seen.failed
    )


def _failed_instances(api: AirflowRest, target: Target) -> tuple[Instance, ...]:
    found: list[Instance] = []
    while True:
        query = {"state": list(_FAILED), "limit": 100, "offset": len(found), "order_by": "id"}
        answer = api.get(f"{target.path}/taskInstances", query)
        found += [_instance(ti) for ti in answer["task_instances"]]
        if len(found) >= answer["total_entries"] or not answer["task_instances"]:
            return tuple(found)


def _instance(ti: Mapping[str, Any]) -> Instance:
    return Instance(ti["task_id"], ti["map_index"], ti["try_number"], str(ti["state"]))


def _obstacle(dag: Mapping[str, Any]) -> str:
    if dag.get("is_stale"):
        gone = "is no longer in the DAG folder: cleared tasks would never run; put its file back"
        return f"DAG {dag['dag_id']} {gone}"
    if dag.get("is_paused"):
        return (
            f"DAG {dag['dag_id']} is paused: cleared tasks would wait for ever; "
            f"run `airflow dags unpause {dag['dag_id']}`, then run the runbook again"
        )
    return ""


def _not_found(error: AirflowRefused) -> str:
    return f"Airflow does not know it (any more): {error}"[:300]
