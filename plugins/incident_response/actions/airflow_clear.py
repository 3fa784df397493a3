"""airflow.clear_failed: let exactly those task instances run again that a repair takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from incident_response.clients.airflow_states import dag_path, graph_of, judge, read_states
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused, StoppedByPerson
from incident_response.domain.redaction import one_line
from incident_response.domain.run_states import NO_STATE, TaskState
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_clearing import (
    counted_as,
    dry_run,
    refuse_too_many,
    refuse_working,
    send,
    version,
)
from .airflow_followers import Repeated, repeated, task_rows
from .airflow_reading import find_run, refuse_blocked, refuse_gone, run_of
from .airflow_records import MISSING, Instance, SeenRun, Target, did, listed, seen_runs
from .airflow_stops import answered, refuse_stopped
from .kit import Kit

_Tries = Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class _Reach:
    """What a clear of a run takes."""

    hurt: tuple[TaskState, ...] = ()  # failed, or cut off by the failure
    cleared: tuple[TaskState, ...] = ()  # with these: setups, teardowns and everything downstream
    removed: tuple[str, ...] = ()  # failed, and not in the DAG any more


class ClearFailed:
    """Clears what failed, what it needs and what it feeds.

    Airflow clears all that one request names, or nothing.
    """

    parameters: ClassVar[type[Parameters]] = models.ClearFailed

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One for each hurt run, with Airflow's own list.

        Refused when nothing is left but deleted runs, or tasks that are not in their DAG any more.
        """
        api = Bounded(self._kit.airflow, scene.seconds)
        planned: list[Planned] = []
        removed: list[str] = []
        runs = seen_runs(scene, scene.parameters.seen_by)
        stopped: list[StoppedByPerson] = []
        for seen in runs:
            if not seen.is_failed:
                if scene.parameters.stuck and seen.state == "running":
                    planned += _clear_stuck(api, seen)
                continue
            refuse_gone(api, seen.target.dag_id)
            run = run_of(api, seen.target)
            reach = _reach(api, seen.target, run)
            try:
                unknown = refuse_stopped(api, scene, seen.target, run, reach.cleared)
            except StoppedByPerson as stop:  # the other runs are nobody's decision
                stopped.append(stop)
                continue
            refuse_blocked(api, seen.target.dag_id)
            removed += [f"{seen.target.dag_id}.{name}" for name in (*seen.removed, *reach.removed)]
            refuse_too_many(seen.target, reach.cleared, scene.parameters.most)
            if reach.cleared:
                one = _planned(api, seen.target, run, reach)
                planned.append(replace(one, asks="; ".join(filter(None, (one.asks, unknown)))))
        if stopped and not planned:
            raise stopped[0]
        if removed and not planned:
            raise Refused(_removed(removed))
        for seen in runs:
            if not planned and seen.state == MISSING:
                refuse_blocked(api, seen.target.dag_id)
                run_of(api, seen.target)
        return planned

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Those of the plan that nobody has cleared since; nothing is repeated that is not in it."""
        api, target = Bounded(self._kit.airflow, scene.seconds), _target(planned)
        refuse_gone(api, target.dag_id)
        run = run_of(api, target)
        tries, planned_hurt = _tries(planned), _hurt(planned)
        hurt, lost = _hurt_now(api, target, run)
        left = [one for one in hurt if one.key in planned_hurt and tries.get(one.key) == one.try_number]
        if not left and (names := [one.name for one in lost if one.key in planned_hurt]):
            raise Refused(_removed([f"{target.dag_id}.{name}" for name in names]))
        if not left:
            return did(f"{target.name} was cleared already; nothing was left to clear")
        now = dry_run(api, target, [Instance.at(one) for one in left])
        mine = [one for one in now if one.try_number == tries.get(one.key, 0)]
        answered(refuse_stopped(api, scene, target, run, mine), planned)
        refuse_blocked(api, target.dag_id)
        refuse_working(target, mine)
        cleared = send(api, target, [Instance.at(one) for one in mine])
        names = [one.name for one in cleared]
        return did(f"Cleared {target.name}: {listed(names)}", {"cleared": names})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """True when one of those that were hurt is so no more, or was tried since."""
        api, target = Bounded(self._kit.airflow, scene.seconds), _target(planned)
        run = find_run(api, target)
        if run is None:
            return None
        now = {one.key: one for one in read_states(api, run)}
        before = {one.key: one for one in map(Instance.of, planned.data["instances"])}
        hurt = [key for key in _hurt(planned) if key in before]
        return any(not _is_untouched(before[key], now.get(key)) for key in hurt)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """What has run has run."""
        return None


def _is_untouched(before: Instance, now: TaskState | None) -> bool:
    """What ran when it was planned has been marked failed since: that is no clear."""
    if now is None or now.try_number != before.try_number:
        return False
    return now.state == before.state or (before.state, now.state) == ("running", "failed")


def _reach(api: Bounded, target: Target, run: Mapping[str, Any]) -> _Reach:
    hurt, lost = _hurt_now(api, target, run)
    cleared = dry_run(api, target, [Instance.at(one) for one in hurt]) if hurt else []
    return _Reach(hurt, tuple(cleared), tuple(one.name for one in lost))


def _hurt_now(
    api: Bounded, target: Target, run: Mapping[str, Any]
) -> tuple[tuple[TaskState, ...], tuple[TaskState, ...]]:
    """What has to run again, and what should but is not in the DAG any more."""
    graph, states = graph_of(task_rows(api, target.dag_id)), read_states(api, run)
    found = judge(api, run, states, graph)
    # A run of a bundle with versions runs in its own one, where the task still is.
    lost = [one for one in found.hurt if graph.lacks(one.task_id) and not run.get("bundle_version")]
    return tuple(one for one in found.hurt if one not in lost), tuple(lost)


def _removed(names: Iterable[str]) -> str:
    return (
        f"{listed(dict.fromkeys(names))}: removed from the DAG or renamed since the run; "
        "Airflow cannot repeat it, so put it back or bring its work about by hand"
    )


def _planned(api: Bounded, target: Target, run: Mapping[str, Any], reach: _Reach) -> Planned:
    dag = api.find(f"{dag_path(target.dag_id)}/details") or {}
    tasks = task_rows(api, target.dag_id)
    keys = [one.key for one in reach.hurt]
    told = repeated(api, target.dag_id, dag, tasks, reach.cleared, keys)
    return _as_planned(target, reach, told, version(run, dag))


def _as_planned(target: Target, reach: _Reach, told: Repeated, runs_in: str) -> Planned:
    keys = {one.key for one in reach.hurt}
    others = [one for one in reach.cleared if one.key not in keys]
    text = f"Clear {counted_as(reach.hurt)} of {target.name}: {listed((one.name for one in reach.hurt), 3)}"
    if others:
        text += f"; and {len(others)} with them: {listed((one.name for one in others), 3)}"
    parts = [f"{one.name} ({_was(one)})" for one in (*reach.hurt, *others)]
    parts += [f"not {name}: it is not in the DAG any more" for name in reach.removed]
    parts += [f"wakes again: {told.wakes}"] if told.wakes else []
    parts += [runs_in] if runs_in else []
    data = {
        **asdict(target),
        "instances": [asdict(Instance.at(one)) for one in (*reach.hurt, *others)],
        "hurt": [list(one.key) for one in reach.hurt],
    }
    return Planned(f"run:{target.name}", one_line(text, 200), data, tuple(parts), told.asks)


def _was(one: TaskState) -> str:
    return "has not run" if one.state == NO_STATE else one.state


def _clear_stuck(api: Bounded, seen: SeenRun) -> list[Planned]:
    """What runs now and will have been marked failed by then. What is not failed by then is not cleared."""
    refuse_blocked(api, seen.target.dag_id)
    found = tuple(one for one in read_states(api, run_of(api, seen.target)) if one.state == "running")
    if not found:
        return []
    cleared = tuple(dry_run(api, seen.target, [Instance.at(one) for one in found]))
    planned = _as_planned(seen.target, _Reach(found, cleared), Repeated(), "")
    text = f"Clear what is marked failed of {seen.target.name}: {listed(one.name for one in found)}"
    return [replace(planned, text=one_line(text, 200))]


def _target(planned: Planned) -> Target:
    return Target(planned.data["dag_id"], planned.data["run_id"])


def _tries(planned: Planned) -> _Tries:
    return {one.key: one.try_number for one in map(Instance.of, planned.data["instances"])}


def _hurt(planned: Planned) -> set[tuple[str, int]]:
    """A plan of an older version names nothing else."""
    found = planned.data.get("hurt")
    return {(task, index) for task, index in found} if found is not None else set(_tries(planned))
