"""airflow.look_at_runs: how the incident's runs stand, and why they failed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from incident_response.clients.airflow_states import judge, read_graph, read_states
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.redaction import one_line
from incident_response.domain.run_states import TaskState
from incident_response.domain.times import in_words
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_causes import Clue, by_cause, clue
from .airflow_history import changed
from .airflow_logs import tail
from .airflow_reading import find_run, gone, obstacle
from .airflow_records import (
    KEPT,
    MISSING,
    Instance,
    SeenRun,
    Target,
    counted,
    listed,
    moment,
    named_runs,
    named_tasks,
    tells_stuck,
)
from .kit import Kit

_UNFIT = re.compile(r"[^\w.-]")  # for names of files
_NO_HEARTBEAT = "heartbeat timeout"
_TRIES = ("try_number", "state", "start_date", "end_date", "duration", "hostname")


class LookAtRuns:
    """Looks."""

    parameters: ClassVar[type[Parameters]] = models.LookAtRuns

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Every run by its state, the first failed ones by their logs."""
        api = Bounded(self._kit.airflow, scene.seconds)
        named = named_runs(scene.sightings)
        closely = _Closely(api, scene.parameters)
        told_stuck = set(named_runs([s for s in scene.sightings if tells_stuck(s)]))
        runs, details, clues = [], [], []
        for target in named[:KEPT]:
            run, dag = _run_and_dag(api, target)
            seen = _seen(api, scene, target, run, dag)
            runs.append(seen)
            found = [*_by_state(seen, dag), *self._stuck(scene, seen, run, told_stuck)]
            if run is not None and seen.failed:
                found += closely.look(seen, run)
            clues += found
            details.append({**seen.data(), "causes": by_cause(found)})
        clues += _together(scene, runs, clues)
        causes = by_cause(clues)
        for detail, extra in zip(details, closely.changes(runs), strict=True):
            detail["changed"] = extra
        data = {"runs": details, "runs_left_out": max(0, len(named) - KEPT), "causes": causes}
        return Finding(_text(runs, causes), data, tuple(closely.exhibits), tuple(causes))

    def _stuck(
        self,
        scene: Scene,
        seen: SeenRun,
        run: Mapping[str, Any] | None,
        told: set[Target],
    ) -> list[Clue]:
        started = moment(run.get("start_date")) if run is not None else None
        if seen.state != "running" or started is None:
            return []
        age = self._kit.now() - started
        limit: timedelta = scene.parameters.stuck_after
        if age <= limit and seen.target not in told:
            return []
        return [Clue("stuck", f"{seen.target.name} has been running for {in_words(age)}")]


class _Closely:
    """Reads logs and tries of the first failed runs. What cannot be had is said; it never stops a look."""

    def __init__(self, api: Bounded, limits: models.LookAtRuns) -> None:
        self._api, self._limits = api, limits
        self._changed: dict[Target, dict[str, Any]] = {}
        self.exhibits: list[Exhibit] = []

    def look(self, seen: SeenRun, run: Mapping[str, Any]) -> list[Clue]:
        if len(self._changed) >= self._limits.runs:
            return []
        self._changed[seen.target] = changed(self._api, run)
        own = [instance for instance in seen.failed if instance.state == "failed"]
        found = self._without_heartbeat(seen.target, own)
        for instance in own[: self._limits.tasks]:
            found += self._task(seen.target, instance)
        return found

    def changes(self, runs: Sequence[SeenRun]) -> list[dict[str, Any]]:
        return [self._changed.get(seen.target, {}) for seen in runs]

    def _task(self, target: Target, instance: Instance) -> list[Clue]:
        name = f"{target.dag_id}.{instance.name}"
        file = f"{target.dag_id}.{_UNFIT.sub('_', target.run_id)}.{instance.name}"
        if not target.is_reachable:
            why = "no path of Airflow's REST API reaches a run of this id; look into its log folder"
            self.exhibits.append(Exhibit(f"{file}.log", f"(not available: {why})"))
            return []
        try:
            tries = self._api.get(f"{instance.path(target)}/tries")["task_instances"][-10:]
            number = max((one["try_number"] for one in tries), default=instance.try_number)
            content = read_log(self._api, target, instance, number)
        except (AirflowRefused, AirflowUnavailable) as error:
            self.exhibits.append(Exhibit(f"{file}.log", f"(not available: {one_line(str(error))})"))
            return []
        rows = [{field: one.get(field) for field in _TRIES} for one in tries]
        self.exhibits += [
            Exhibit(f"{file}.try-{number}.log", tail(content, self._limits.log_lines)),
            Exhibit(f"{file}.tries.json", json.dumps(rows, indent=1), "application/json"),
        ]
        found = clue(content)
        return [Clue(found.cause, f"{name}: {found.words}"[:300])] if found else []

    def _without_heartbeat(self, target: Target, failed: Sequence[Instance]) -> list[Clue]:
        """A task whose worker was killed has nothing in its log; the scheduler tells it in the audit log."""
        query = {"dag_id": target.dag_id, "run_id": target.run_id, "event": _NO_HEARTBEAT, "limit": 100}
        try:
            rows = self._api.get("/eventLogs", query)["event_logs"]
        except (AirflowRefused, AirflowUnavailable):  # it is not for everyone, and logs may tell the same
            return []
        tries = {(one.task_id, one.map_index, one.try_number): one.name for one in failed}
        lost = (
            tries.get((row["task_id"], row["map_index"], row["try_number"]))
            for row in rows
            if row["event"] == _NO_HEARTBEAT and row["run_id"] == target.run_id
        )
        words = "lost its heartbeat: its worker was killed, or has lost the network"
        return [Clue("zombie", f"{target.dag_id}.{name} {words}") for name in lost if name]


def read_log(api: Bounded, target: Target, instance: Instance, try_number: int) -> Any:
    """The log of one try, as Airflow gives it."""
    task = Instance(instance.task_id, -1, try_number, "").path(target)
    return api.get(f"{task}/logs/{try_number}", {"map_index": instance.map_index})["content"]


def _run_and_dag(api: Bounded, target: Target) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    dag = api.find(target.dag_path)
    return (find_run(api, target) if dag is not None else None), dag


def _seen(
    api: Bounded,
    scene: Scene,
    target: Target,
    run: Mapping[str, Any] | None,
    dag: Mapping[str, Any] | None,
) -> SeenRun:
    if run is None:
        return SeenRun(target, MISSING, gone(target.dag_id, dag))
    states = read_states(api, run)
    found = judge(api, run, states)
    waiting = [one for one in found.cut_off if one.state == "upstream_failed"]
    failed = (*found.failed, *waiting)
    cut = [one for one in found.cut_off if one not in waiting]
    # What waits in vain ends later than what failed, and a run that others still work in has not ended.
    run_ended = moment(run.get("end_date")) if failed or run["state"] == "failed" else None
    failed_at = max((one.ended_at for one in found.failed if one.ended_at), default=run_ended)
    return SeenRun(
        target,
        run["state"],
        obstacle(target.dag_id, dag),
        tuple(Instance.at(one) for one in failed[:KEPT]),
        len(failed),
        failed_at,
        tuple(Instance.at(one) for one in cut[:KEPT]),
        tuple(_removed(api, scene, target, run, states)),
    )


def _removed(
    api: Bounded, scene: Scene, target: Target, run: Mapping[str, Any], states: Sequence[TaskState]
) -> list[str]:
    """What a signal says has failed, or failed in this run, and its DAG does not have any more."""
    now = {one.key: one.state for one in states}
    told = named_tasks(scene.sightings, target)
    found = [key for key in sorted(told) if now.get(key, "removed") == "removed"]
    failed = [one.key for one in states if one.state == "failed"]
    # A run of a bundle with versions runs in its own one, whatever the DAG has become since.
    if failed and not run.get("bundle_version"):
        graph = read_graph(api, target.dag_id)
        found += [key for key in failed if graph.lacks(key[0])]
    return [TaskState(*key).name for key in found]


def _by_state(seen: SeenRun, dag: Mapping[str, Any] | None) -> list[Clue]:
    found = []
    if gone(seen.target.dag_id, dag):
        found.append(Clue("dag_missing", gone(seen.target.dag_id, dag)))
        if dag is not None and dag.get("has_import_errors"):
            found.append(Clue("code", f"The file of DAG {seen.target.dag_id} cannot be imported"))
    elif seen.state == MISSING:
        found.append(Clue("run_missing", f"Run {seen.target.name} was deleted"))
    elif seen.obstacle:
        found.append(Clue("dag_paused", seen.obstacle))
    return found


def _together(scene: Scene, runs: Sequence[SeenRun], clues: Sequence[Clue]) -> list[Clue]:
    """What only all runs together tell."""
    dags = sorted({seen.target.dag_id for seen in runs if seen.is_failed})
    if len(dags) >= scene.parameters.many:
        return [Clue("many_dags", f"{len(dags)} DAGs fail: {listed(dags)}")]
    well = runs and not any(seen.is_failed or seen.state == MISSING for seen in runs)
    if well and not any(one.cause == "stuck" for one in clues):
        return [Clue("repaired", f"None of the runs is failed any more: {_states(runs)}")]
    return []


def _states(runs: Sequence[SeenRun]) -> str:
    return listed((f"{seen.target.name} ({seen.state})" for seen in runs), 3)


def _text(runs: Sequence[SeenRun], causes: Mapping[str, str]) -> str:
    if not runs:
        return "No signal of the incident names a DAG run, so there is none to look at"
    failed = sum(seen.failed_total for seen in runs)
    cut = sum(len(seen.cut_off) for seen in runs)
    tasks = f", {failed} failed task instance{'' if failed == 1 else 's'}" if failed else ""
    tasks += f", {cut} cut off" if cut else ""
    removed = [f"{seen.target.dag_id}.{name}" for seen in runs for name in seen.removed]
    tasks += f"; not in the DAG any more: {listed(removed, 3)}" if removed else ""
    because = ", ".join(causes) or "no known cause"
    return one_line(f"{counted(runs, 'run')}{tasks}: {because}; {_states(runs)}", 200)
