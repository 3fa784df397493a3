"""Tasks that have started a run of another DAG and failed because it did: they are never repeated.

Cleared, such a task starts a second run, or fails at once because its run id is taken. So the run that it
started is repaired; when that is well, the task is set to success with it as its proof, and what is behind
it is cleared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from incident_response.clients.airflow_children import Child, child_of, may_start, starters
from incident_response.clients.airflow_states import dag_path, judged
from incident_response.clients.airflow_states import find_run as find
from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line
from incident_response.domain.run_states import (
    FAILED,
    NO_STATE,
    SKIPPED,
    SUCCESS,
    UPSTREAM_FAILED,
    Key,
    TaskState,
)

from .airflow_bounds import Bounded
from .airflow_clearing import dry_run, send
from .airflow_followers import repeated, task_rows
from .airflow_reading import instance_rows, refuse_blocked, refuse_unreachable, run_of
from .airflow_records import Instance, Target, did, listed, marked, of_scene
from .airflow_stops import answered, refuse_stopped

_CUT_OFF = (UPSTREAM_FAILED, SKIPPED, NO_STATE)  # never began, so it started nothing
_KIND = "waiting:"  # how the target of such a line of a plan begins


@dataclass(frozen=True)
class Held:
    """A failed task instance that has started a run, and what hangs on it."""

    one: Instance
    child: Child

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self.one), "child": self.child.data()}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Held:
        """From JSON."""
        return cls(Instance.of(data), Child.of(data["child"]))


def held_back(api: Bounded, target: Target, hurt: Sequence[TaskState]) -> tuple[Held, ...]:
    """Those of what is hurt whose own run exists. One that failed before it started any is a task like any
    other.
    """
    keys = {one.key for one in hurt if one.state not in _CUT_OFF}
    if not keys or not target.is_reachable:
        return ()
    started, found = starters(api, target.dag_id, target.run_id), []
    for row in instance_rows(api, target, sorted({one.state for one in hurt if one.key in keys})):
        one = Instance.of(row)
        if one.key in keys and (one.key in started or _may_start(row)) and (child := child_of(api, row)):
            found.append(Held(one, child))
    return tuple(found)


def _may_start(row: Mapping[str, Any]) -> bool:
    operator = str(row.get("operator_name") or row.get("operator") or "")
    return may_start(operator) or "trigger_dag_id" in (row.get("rendered_fields") or {})


def behind(api: Bounded, target: Target, held: Sequence[Held]) -> tuple[TaskState, ...]:
    """What Airflow would clear with them, without them."""
    keys = {one.one.key for one in held}
    listing = dry_run(api, target, [one.one for one in held]) if held else []
    return tuple(one for one in listing if one.key not in keys)


def plan_held(
    api: Bounded, target: Target, held: Sequence[Held], after: Sequence[TaskState], hurt: Iterable[Key]
) -> Planned:
    """The line of the plan: it waits until the started runs are well."""
    dag = api.find(f"{dag_path(target.dag_id)}/details") or {}
    keys = [*hurt, *(one.one.key for one in held)]
    told = repeated(api, target.dag_id, dag, task_rows(api, target.dag_id), after, keys)
    names, runs = listed((h.one.name for h in held), 2), listed(_runs(held), 2)
    text = f"When {runs} is green: set {names} of {target.name} to success"
    text += f"; clear {len(after)} behind: {listed((one.name for one in after), 3)}" if after else ""
    parts = [f"{h.one.name} is not repeated: its run is {h.child.name}" for h in held]
    parts += [f"{one.name} ({one.state})" for one in after]
    parts += [f"wakes again: {told.wakes}"] if told.wakes else []
    data = {
        **asdict(target),
        "held": [one.data() for one in held],
        "instances": [asdict(Instance.at(one)) for one in after],
        "hurt": [],
    }
    return Planned(f"{_KIND}{target.name}", one_line(text, 200), data, tuple(parts), told.asks)


def is_held(planned: Planned) -> bool:
    """True for a line of a plan that waits for runs of other DAGs."""
    return planned.target.startswith(_KIND)


def ready(api: Bounded, planned: Planned) -> Finding:
    """Are the started runs well? Raises Refused when one was deleted."""
    open_ = {child.name: state for child in _children(planned) if (state := _state(api, child)) != SUCCESS}
    if not open_:
        return Finding("", proven=True)
    target = Target(planned.data["dag_id"], planned.data["run_id"])
    waits = listed((f"{name} ({state})" for name, state in open_.items()), 2)
    return Finding(one_line(f"{target.name} waits for its run {waits}", 200), proven=None)


def settle(api: Bounded, scene: Scene, planned: Planned) -> Done:
    """Set them to success, clear what is behind them. What is done of it already is not done again."""
    target = Target(planned.data["dag_id"], planned.data["run_id"])
    refuse_unreachable(target)
    run = run_of(api, target)
    held = [Held.of(entry) for entry in planned.data["held"]]
    after = behind(api, target, held)
    answered(refuse_stopped(api, scene, target, run, after), planned)
    refuse_blocked(api, target.dag_id)
    if (still := ready(api, planned)).proven is not True:
        raise Refused(still.text)
    now = {one.key: one for one in map(Instance.of, instance_rows(api, target))}
    for one in held:
        _set_success(api, scene, target, one, now.get(one.one.key))
    # Airflow has cleared by itself what had failed behind them. The rest of the plan: what ran in vain.
    tries = {one.key: one.try_number for one in map(Instance.of, planned.data["instances"])}
    left = [o for o in behind(api, target, held) if o.ended and tries.get(o.key) == o.try_number]
    send(api, target, [Instance.at(one) for one in left])
    if run_of(api, target)["state"] == "failed":  # nothing was behind them: Airflow judges it anew when asked
        api.patch(target.path, {"state": "queued"})
    names = listed((h.one.name for h in held), 2)
    cleared = [one["task_id"] for one in planned.data["instances"]]
    text = f"Set {names} of {target.name} to success, not repeated: its run {listed(_runs(held), 2)} is green"
    text += f"; cleared behind: {listed(dict.fromkeys(cleared), 3)}" if cleared else ""
    return did(text, {**marked(target, *(h.one for h in held)), "proof": list(_runs(held))[:50]})


def waits_for_runs(scene: Scene, target: Target) -> str:
    """The started runs that a run of this attempt's plan still waits for; empty: it waits for none."""
    for data in scene.found.values():
        done = data.get("done")
        if not isinstance(done, Mapping):
            continue
        for entry in data.get("plan", ()):
            if entry["target"] == f"{_KIND}{target.name}" and entry["target"] not in done:
                return listed(_runs(Held.of(one) for one in entry["data"]["held"]), 2)
    return ""


def _set_success(api: Bounded, scene: Scene, target: Target, held: Held, now: Instance | None) -> None:
    if now is not None and now.state == SUCCESS:
        return
    if now is None or now.state != FAILED or now.try_number != held.one.try_number:
        state = now.state if now else "gone"
        raise Refused(f"{held.one.name} of {target.name} is {state}: somebody has taken it since; look at it")
    note = f"Not repeated: its run {held.child.name} is green. Set by {of_scene(scene)}"
    api.patch(held.one.path(target), {"new_state": SUCCESS, "note": note[:1000]})


def _state(api: Bounded, child: Child) -> str:
    """SUCCESS only when nothing in it is hurt: Airflow calls a run green by its leaves."""
    run = find(api, child.dag_id, child.run_id)
    if run is None:
        raise Refused(f"{child.name} does not exist any more, so nothing proves the task that had started it")
    state = str(run["state"])
    return "success, but not all of it" if state == SUCCESS and judged(api, run).hurt else state


def _children(planned: Planned) -> Collection[Child]:
    return list(dict.fromkeys(Held.of(entry).child for entry in planned.data["held"]))


def _runs(held: Iterable[Held]) -> Iterable[str]:
    return dict.fromkeys(one.child.name for one in held)
