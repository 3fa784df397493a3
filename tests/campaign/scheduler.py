"""One run of a pipeline in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow.exceptions import NotMapped
from airflow.models.expandinput import NotFullyPopulated
from airflow.utils.state import State

from . import rules
from .database import Database
from .dice import Dice
from .instance import Instance
from .pipeline import Pipeline

_WORKERS = 3


@dataclass(frozen=True)
class Start:
    """A task instance began to work: what nobody can take back."""

    place: tuple[str, int]
    round: int  # 0: before anything was repaired
    at: int
    ended: list[int] = field(default_factory=list)  # at most one tick
    states: list[str] = field(default_factory=list)


class Run:
    """`dice` decide what starts and ends first, as the load of a machine does."""

    def __init__(self, pipeline: Pipeline, dice: Dice, dag: Any = None, run_id: str = "manual__1") -> None:
        self.pipeline, self.run_id, self._dice = pipeline, run_id, dice
        self.dag = dag or rules.scheduled(pipeline)
        self.state, self.round = "queued", 0
        self.started: int | None = None
        self.ended: int | None = None
        self.starts: list[Start] = []
        self.decisions: dict[tuple[str, int], dict[str, list[str]]] = {}
        self.task_maps: list[Any] = []
        self.audit: list[Any] = []
        self._now = 0
        self._database = Database(self)
        self.task_instances: list[Instance] = []
        for task in self.dag.tasks:
            self.task_instances += self._made(task)

    # --- what Airflow's rules ask

    @property
    def dag_id(self) -> str:
        return self.pipeline.name

    def get_task_instances(self, session: Any = None, state: Any = None) -> list[Instance]:
        return list(self.task_instances)

    def tick(self) -> int:
        """Time passes."""
        self._now += 1
        return self._now

    @property
    def now(self) -> int:
        return self._now

    def states(self) -> dict[tuple[str, int], str | None]:
        return {one.place: one.state for one in self.task_instances}

    # --- life

    def execute(self) -> Run:
        """To its end."""
        self.started = self.tick()
        self.state = "running"
        self._look()
        while self.state == "running":
            waiting = [one for one in self.task_instances if one.state == "scheduled"]
            working = [one for one in self.task_instances if one.state == "running"]
            ending = [one for one in working if one.try_number > self._script(one).hangs]
            if waiting and len(working) < _WORKERS and (not ending or self._dice.begins()):
                self._start(self._dice.choice(waiting))
            elif ending:
                self._end(self._dice.choice(ending))
                self._look()
            elif working and self.pipeline.times_out:
                self._time_out()
            else:
                raise AssertionError(f"nothing can go on: {self.task_instances}")
        return self

    def clear(self, body: Any) -> list[Instance]:
        """As the API does; nothing but an answer in a dry run."""
        found = rules.cleared(self.dag, self.run_id, self._database, body)
        if not body.get("dry_run", True) and found:
            for one in found:
                one.tries.append((one.try_number, str(one.state)))
                one.state = None
            if self.state in ("success", "failed"):
                self.state, self.started = "queued", None
        return found

    # --- the scheduler

    def _look(self) -> None:
        """As often as something changes by it."""
        while True:
            before = self.states()
            unfinished = [one for one in self.task_instances if one.state not in State.finished]
            finished = [one for one in self.task_instances if one.state in State.finished]
            may = self._ready([one for one in unfinished if one.state is None], finished)
            for one in may:
                one.state, one.try_number = "scheduled", one.try_number + 1
            if self.states() == before:
                break
        left = [one for one in self.task_instances if one.state not in State.finished]
        deciding = rules.leaves(self.dag, self.task_instances)
        if not left and any(one.state in ("failed", "upstream_failed") for one in deciding):
            self._finish("failed")
        elif not left:
            self._finish("success")
        elif all(one.state is None for one in left):
            self._finish("failed")  # deadlock

    def _ready(self, asked: Sequence[Instance], finished: list[Instance]) -> list[Instance]:
        found = []
        todo = list(asked)
        while todo:
            may = rules.ready([todo.pop(0)], finished, self._database, self._dice)
            for one in may:
                if one.state is not None:  # 3.1 lets what it has just skipped pass
                    continue
                more = self._expanded(one) if one.map_index < 0 else None
                if more is None:
                    found.append(one)
                else:
                    todo += more
        return found

    def _expanded(self, one: Instance) -> list[Instance] | None:
        """Its instances, once the list is known; None for what is not mapped."""
        try:
            count = rules.copies(one.task, self.run_id, self._database)
        except NotMapped:
            return None
        except NotFullyPopulated:
            one.state = "upstream_failed"
            return []
        one.map_index = 0
        more = [Instance(self, one.task, index) for index in range(1, count)]
        self.task_instances += more
        return [one, *more]

    def _made(self, task: Any) -> list[Instance]:
        try:
            return [
                Instance(self, task, index)
                for index in range(rules.copies(task, self.run_id, self._database))
            ]
        except (NotMapped, NotFullyPopulated):
            return [Instance(self, task)]

    def _start(self, one: Instance) -> None:
        one.state, one.started, one.ended = "running", self.tick(), None
        self.starts.append(Start(one.place, self.round, self._now))
        self.decisions.pop(one.place, None)
        self.task_maps = [row for row in self.task_maps if row.task_id != one.task_id]

    def _end(self, one: Instance) -> None:
        script = self._script(one)
        one.ended = self.tick()
        if one.try_number <= script.fails.get(one.map_index, 0):
            one.state = "failed"
            if self.pipeline.fail_fast:
                rules.stop_the_rest(one, self.dag, self._database)
        elif one.map_index in script.skips:
            one.state = "skipped"
        else:
            self._decide(one)
            one.state = "success"
        self._note(one)

    def _note(self, one: Instance) -> None:
        start = next(start for start in reversed(self.starts) if start.place == one.place)
        start.ended.append(self._now)
        start.states.append(str(one.state))

    def _decide(self, one: Instance) -> None:
        """What a branch or a short circuit does to others, and the list that others are mapped over."""
        script = self._script(one)
        if script.kind == "branch":
            follow = set(script.follow)
            for name in script.follow:
                follow |= one.task.dag.get_task(name).get_flat_relative_ids(upstream=False)
            followed = [task.task_id for task in one.task.downstream_list if task.task_id in follow]
            self.decisions[one.place] = {"followed": followed}
            self._skip({task.task_id for task in one.task.downstream_list} - follow)
        elif script.kind == "short" and not script.goes_on:
            flat = one.task.get_flat_relatives(upstream=False)
            behind = flat if script.ignores_rules else one.task.downstream_list
            names = [task.task_id for task in behind if not task.is_teardown]
            if names:
                self.decisions[one.place] = {"skipped": names}
            self._skip(set(names))
        lists = [task for task in self.pipeline.tasks if task.over == one.task_id]
        if lists:
            row = SimpleNamespace(
                dag_id=self.dag_id,
                run_id=self.run_id,
                task_id=one.task_id,
                map_index=-1,
                length=lists[0].copies,
            )
            self.task_maps.append(row)

    def _skip(self, names: set[str]) -> None:
        spared = () if rules.SKIPS_WORKING else ("running", "success", "failed")
        for one in self.task_instances:
            if one.task_id in names and one.map_index < 0 and one.state not in spared:
                one.state, one.started, one.ended = "skipped", self._now, self._now

    def _time_out(self) -> None:
        for one in self.task_instances:
            if one.state not in State.finished and (one.state is not None or not rules.TIMEOUT_FORGETS):
                one.state = "skipped"
        self._finish("failed")

    def _finish(self, state: str) -> None:
        self.state, self.ended = state, self.tick()

    def _script(self, one: Instance) -> Any:
        return self.pipeline.task(one.task_id)
