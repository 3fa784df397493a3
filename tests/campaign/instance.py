"""A task instance in memory, as Airflow's rules ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance, TaskInstanceKey
from airflow.utils.state import State

if TYPE_CHECKING:
    from .scheduler import Run

_relevant = TaskInstance.get_relevant_upstream_map_indexes


class Instance:
    """Times are ticks of its run's clock, and None before it has a state."""

    def __init__(self, run: Run, task: Any, map_index: int = -1) -> None:
        self.run, self.task, self.map_index = run, task, map_index
        self.task_id, self.dag_id, self.run_id = task.task_id, run.pipeline.name, run.run_id
        self.state: str | None = None
        self.try_number = 0
        self.started: int | None = None
        self.ended: int | None = None
        self.tries: list[tuple[int, str]] = []  # number and state of those before the last clear

    @property
    def key(self) -> TaskInstanceKey:
        return TaskInstanceKey(self.dag_id, self.task_id, self.run_id, self.try_number, self.map_index)

    @property
    def place(self) -> tuple[str, int]:
        """Identity within its run."""
        return (self.task_id, self.map_index)

    @property
    def dag_run(self) -> Run:
        return self.run

    def get_dagrun(self, session: Any = None) -> Run:
        return self.run

    def set_state(self, state: str | None, session: Any = None) -> bool:
        """As Airflow's scheduler does: an earlier end stays."""
        if self.state == state:
            return False
        self.state = None if state is None else str(getattr(state, "value", state))
        now = self.run.tick()
        self.started = self.started or now
        if self.state in State.finished:
            self.ended = self.ended or now
        return True

    def error(self, session: Any = None) -> None:
        """Failed by another task's failure."""
        self.state = "failed"

    def xcom_pull(self, task_ids: str, map_indexes: int = -1, **_: Any) -> Any:
        """What a branch or a short circuit has decided."""
        return self.run.decisions.get((task_ids, -1 if map_indexes is None else map_indexes))

    def get_relevant_upstream_map_indexes(self, *arguments: Any, **named: Any) -> Any:
        return _relevant(self, *arguments, **named)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{self.task_id}[{self.map_index}] {self.state} try {self.try_number}"
