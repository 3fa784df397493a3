"""Runs and task instances as a look found them; the next steps find them again in the look's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.domain.actions import Done, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.pipeline_signals import RUN_STUCK
from incident_response.domain.records import Sighting
from incident_response.domain.redaction import one_line
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
        return f"{self.dag_path}/dagRuns/{quote(self.run_id, safe='')}"


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
        return cls(row["task_id"], row["map_index"], row["try_number"], str(row["state"]))


@dataclass(frozen=True)
class SeenRun:
    """What a look found of one run."""

    target: Target
    state: str  # of the run; MISSING when there is no such DAG or run
    obstacle: str = ""  # why clearing would help nobody: a paused DAG
    failed: tuple[Instance, ...] = ()  # at most KEPT
    failed_total: int = 0
    failed_at: datetime | None = None  # when the latest of them ended, else the run

    @property
    def is_failed(self) -> bool:
        """True when there is something to repair, also in a run whose other branches still work."""
        return self.state == "failed" or bool(self.failed)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self.target),
            "state": self.state,
            "obstacle": self.obstacle,
            "failed": [asdict(instance) for instance in self.failed],
            "failed_total": self.failed_total,
            "failed_at": self.failed_at.isoformat() if self.failed_at else None,
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


def of_scene(scene: Scene) -> str:
    """How a note in Airflow names who changed something."""
    return f"incident response, INC-{scene.incident.number}"


def dag_path(dag_id: str) -> str:
    """A DAG in the REST API."""
    return f"/dags/{quote(dag_id, safe='')}"


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
