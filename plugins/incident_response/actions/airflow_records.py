"""Runs and task instances as a look found them; the next steps find them again in the look's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.clients.airflow_states import dag_path, reachable, run_path
from incident_response.domain.actions import Done, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.pipeline_signals import RUN_STUCK
from incident_response.domain.records import Sighting
from incident_response.domain.redaction import one_line
from incident_response.domain.run_states import NO_STATE, TaskState
from incident_response.domain.times import utc

KEPT = 50  # runs of a finding, and failed task instances of each
MISSING = "missing"  # a run's state when there is no such run or DAG any more
ENDED = ("success", "failed")


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
    def dag_path(self) -> str:
        """Its DAG in the REST API."""
        return dag_path(self.dag_id)

    @property
    def path(self) -> str:
        """In the REST API. Run ids hold colons and pluses."""
        return run_path(self.dag_id, self.run_id)

    @property
    def is_reachable(self) -> bool:
        """False when no path of the REST API reaches it: lists find it, clears take it in the body."""
        return reachable(self.run_id)


@dataclass(frozen=True)
class Instance:
    """A task instance as it was seen before anything was changed."""

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

    @property
    def marker(self) -> str | tuple[str, int]:
        """As a clear names it: a bare task id would take every map index of a mapped task."""
        return self.task_id if self.map_index < 0 else self.key

    def path(self, target: Target) -> str:
        """In the REST API, as one that is read or changed."""
        task = f"{target.path}/taskInstances/{quote(self.task_id, safe='')}"
        return task if self.map_index < 0 else f"{task}/{self.map_index}"

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Instance:
        """From the REST API, or from JSON of our own."""
        return cls(row["task_id"], row["map_index"], row["try_number"], row["state"] or NO_STATE)

    @classmethod
    def at(cls, state: TaskState) -> Instance:
        """As it was judged."""
        return cls(state.task_id, state.map_index, state.try_number, state.state)


@dataclass(frozen=True)
class SeenRun:
    """What a look found of one run."""

    target: Target
    state: str  # of the run; MISSING when there is no such DAG or run
    obstacle: str = ""  # why clearing would help nobody: a paused DAG
    failed: tuple[Instance, ...] = ()  # failed, or waiting for those in vain; at most KEPT
    failed_total: int = 0
    failed_at: datetime | None = None  # when the latest of them ended, else the run
    cut_off: tuple[Instance, ...] = ()  # skipped by the failure, or never begun; at most KEPT
    removed: tuple[str, ...] = ()  # names of what failed and is not in the DAG any more

    @property
    def is_failed(self) -> bool:
        """True when there is something to repair, also in a run whose other branches still work."""
        return self.state == "failed" or bool(self.failed or self.cut_off or self.removed)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self.target),
            "state": self.state,
            "obstacle": self.obstacle,
            "failed": [asdict(instance) for instance in self.failed],
            "failed_total": self.failed_total,
            "failed_at": self.failed_at.isoformat() if self.failed_at else None,
            "cut_off": [asdict(instance) for instance in self.cut_off],
            "removed": list(self.removed),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SeenRun:
        """From JSON."""
        return cls(
            Target(data["dag_id"], data["run_id"]),
            data["state"],
            data["obstacle"],
            tuple(Instance.of(row) for row in data["failed"]),
            data["failed_total"],
            moment(data["failed_at"]),
            tuple(Instance.of(row) for row in data.get("cut_off", ())),
            tuple(data.get("removed", ())),
        )


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


def named_tasks(sightings: Iterable[Sighting], target: Target) -> set[tuple[str, int]]:
    """The task instances of a run that firing signals name, by task and map index."""
    labels = [one.labels for one in sightings if one.firing and one.labels.get("task_id")]
    mine = [one for one in labels if (one.get("dag_id"), one.get("run_id")) == (target.dag_id, target.run_id)]
    indexes = [(one["task_id"], one.get("map_index", "-1")) for one in mine]
    return {(task, int(index)) for task, index in indexes if index.lstrip("-").isdigit()}


def tells_stuck(sighting: Sighting) -> bool:
    """True for a signal that a run has been running for too long."""
    return sighting.firing and sighting.labels.get("alertname") == RUN_STUCK


def seen_runs(scene: Scene, step: str) -> list[SeenRun]:
    """The runs that an earlier step saw. Raises Refused when there was no such step."""
    found = scene.found.get(step)
    if found is None or "runs" not in found:
        raise Refused(
            f"No step {step!r} has looked at runs; put one with airflow.look_at_runs before this one"
        )
    return [SeenRun.of(data) for data in found["runs"]]


def marked(target: Target, *instances: Instance) -> dict[str, Any]:
    """For the data of a Done: what it has set to an end that the proof accepts without a run."""
    return {"marked": [[*asdict(target).values(), *one.key] for one in instances]}


def marked_by(scene: Scene, target: Target) -> set[tuple[str, int]]:
    """What steps of this attempt have marked in a run, by task and map index."""
    every = [entry for data in scene.done.values() for entry in data.get("marked", ())]
    return {(task, index) for dag, run, task, index in every if (dag, run) == (target.dag_id, target.run_id)}


def of_scene(scene: Scene) -> str:
    """How a note in Airflow names who changed something."""
    return f"incident response, INC-{scene.incident.number}"


def moment(text: str | None) -> datetime | None:
    """A time as JSON has it."""
    return utc(datetime.fromisoformat(text.replace("Z", "+00:00"))) if text else None


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b and 25 more`."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def did(text: str, data: Mapping[str, Any] | None = None) -> Done:
    """Done, in one line: names come from outside and may be long."""
    return Done(one_line(text, 200), data or {})


def counted(rows: Sequence[Any], thing: str) -> str:
    """`1 failed task`, `3 failed tasks`."""
    return f"{len(rows)} {thing}{'' if len(rows) == 1 else 's'}"
