"""What of a run has failed, what the failure cut off, and what was skipped on purpose.

Airflow judges a run by its leaves: a green one may hold a failed task, and what `fail_fast` or
`dagrun_timeout` cut off is `skipped`, like what a branch left out. One rule tells them apart, for detection,
diagnosis and proof. Where it cannot tell, a skip counts as cut off: Airflow skips again what was chosen, but
nobody else would run what was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .skips import Tally, skips_by_rule

ENDED_RUN = ("success", "failed")
FAILED, UPSTREAM_FAILED, SKIPPED, REMOVED, SUCCESS = (
    "failed",
    "upstream_failed",
    "skipped",
    "removed",
    "success",
)
NO_STATE = "none"  # Airflow says null: it has not begun

Key = tuple[str, int]


@dataclass(frozen=True)
class TaskState:
    """A task instance of a run, as Airflow tells it."""

    task_id: str
    map_index: int = -1  # -1: not mapped, or not expanded yet
    state: str = NO_STATE
    try_number: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    operator: str = ""

    @property
    def key(self) -> Key:
        """Identity within its run."""
        return self.task_id, self.map_index

    @property
    def name(self) -> str:
        """`task` or `task[3]`."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    @property
    def ended(self) -> bool:
        """True when Airflow does nothing more with it by itself."""
        return self.state in (SUCCESS, FAILED, UPSTREAM_FAILED, SKIPPED, REMOVED)


@dataclass(frozen=True)
class TaskNode:
    """A task as its DAG defines it now."""

    task_id: str
    trigger_rule: str = "all_success"
    downstream: tuple[str, ...] = ()
    is_mapped: bool = False
    waits_for_past: bool = False  # depends_on_past, or wait_for_downstream


@dataclass(frozen=True)
class Decision:
    """What a branch or a short circuit decided in this run."""

    followed: frozenset[str] | None = None  # of the tasks directly behind it; all others are left out
    skipped: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Graph:
    """The tasks of a DAG. Empty: the DAG is gone, or nobody may read it."""

    tasks: Mapping[str, TaskNode] = field(default_factory=dict)

    def lacks(self, task_id: str) -> bool:
        """True for a task that was removed from the DAG, or renamed."""
        return bool(self.tasks) and task_id not in self.tasks


@dataclass(frozen=True)
class Evidence:
    """What tells skips apart, beside states and graph."""

    decisions: Mapping[str, Decision] = field(default_factory=dict)  # by the task that took it
    # Cleared, and not begun since: they show the times of an earlier try. None: nobody can tell.
    rewound: frozenset[Key] | None = None
    # Ended by `fail_fast`, as Airflow's audit log says. None: nobody can tell.
    stopped: frozenset[Key] | None = None


@dataclass(frozen=True)
class Standing:
    """How a run stands."""

    failed: tuple[TaskState, ...] = ()
    cut_off: tuple[TaskState, ...] = ()  # upstream_failed, skipped by the failure, never begun
    removed: tuple[TaskState, ...] = ()
    unfinished: tuple[TaskState, ...] = ()

    @property
    def hurt(self) -> tuple[TaskState, ...]:
        """What has to run again."""
        return (*self.failed, *self.cut_off)


def standing(
    run_state: str,
    instances: Sequence[TaskState],
    graph: Graph,
    evidence: Evidence | None = None,
    run_started_at: datetime | None = None,
) -> Standing:
    """Judge a run. `run_started_at`: its latest start; a clear starts a run that has ended anew."""
    chosen = _Chosen(instances, graph, evidence or Evidence(), run_started_at)
    over = run_state in ENDED_RUN
    cut = [
        one for one in instances
        if one.state == UPSTREAM_FAILED
        or (one.state == SKIPPED and not chosen.is_chosen(one))
        or (over and not one.ended)
    ]  # fmt: skip
    return Standing(
        tuple(one for one in instances if one.state == FAILED),
        tuple(cut),
        tuple(one for one in instances if one.state == REMOVED),
        () if over else tuple(one for one in instances if not one.ended),
    )


def ran(one: TaskState) -> bool:
    """True when its times are those of work: what others skip has one moment, or none at all."""
    return one.started_at is not None and one.ended_at is not None and one.ended_at > one.started_at


def of_earlier_start(one: TaskState, run_started_at: datetime | None) -> bool:
    """True when it ended before the run was started for the last time."""
    return run_started_at is not None and one.ended_at is not None and one.ended_at < run_started_at


class _Chosen:
    """Which skips somebody chose, or follow from those that were."""

    def __init__(
        self,
        instances: Sequence[TaskState],
        graph: Graph,
        evidence: Evidence,
        run_started_at: datetime | None,
    ) -> None:
        self._graph, self._evidence, self._run_started_at = graph, evidence, run_started_at
        self._of: dict[str, list[TaskState]] = {}
        for one in instances:
            self._of.setdefault(one.task_id, []).append(one)
        self._upstream: dict[str, list[str]] = {}
        for node in graph.tasks.values():
            for below in node.downstream:
                self._upstream.setdefault(below, []).append(node.task_id)
        self._chosen: set[Key] = set()
        skipped = [one for one in instances if one.state == SKIPPED]
        # Each round explains at least one more skip by those that are explained already.
        while found := [o for o in skipped if o.key not in self._chosen and self._explained(o)]:
            self._chosen.update(one.key for one in found)

    def is_chosen(self, one: TaskState) -> bool:
        return one.key in self._chosen

    def _explained(self, one: TaskState) -> bool:
        return self._by_itself(one) or self._by_decision(one) or self._by_rule(one)

    def _by_itself(self, one: TaskState) -> bool:
        """It ran, and raised the skip."""
        # One that was cleared and then cut off keeps the times of its last try.
        if not ran(one):
            return False
        if not of_earlier_start(one, self._run_started_at):
            return True
        return self._evidence.rewound is not None and one.key not in self._evidence.rewound

    def _by_decision(self, one: TaskState) -> bool:
        for task_id, decision in self._evidence.decisions.items():
            if one.task_id in decision.skipped:
                return True
            node = self._graph.tasks.get(task_id)
            if decision.followed is None or node is None:
                continue
            if one.task_id in node.downstream and one.task_id not in decision.followed:
                return True
        return False

    def _by_rule(self, one: TaskState) -> bool:
        node, above = self._graph.tasks.get(one.task_id), self._upstream.get(one.task_id, ())
        if node is None or not above:
            return False
        uppers = [upper for task_id in above for upper in self._of.get(task_id, ())]
        # Within a mapped group an index hangs on its own one. Airflow's API does not tell groups.
        mapped = {
            upper.task_id for upper in uppers if one.map_index >= 0 and upper.map_index == one.map_index
        }
        own = [u for u in uppers if u.task_id not in mapped or u.map_index == one.map_index]
        if skips_by_rule(node.trigger_rule, self._tally(own)):
            return True
        stopped = self._evidence.stopped
        if stopped is None or one.key in stopped:
            return False
        tally = self._tally(uppers)
        expanded_over_nothing = node.is_mapped and one.map_index < 0 and tally.only_success
        return expanded_over_nothing or skips_by_rule(node.trigger_rule, tally)

    def _tally(self, uppers: Iterable[TaskState]) -> Tally:
        tally = Tally()
        for upper in uppers:
            tally = tally.plus(upper.state, chosen=upper.key in self._chosen)
        return tally
