"""airflow.mark_stuck_failed: end task instances, or runs, that run for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, Refused
from incident_response.domain.redaction import one_line
from incident_response.domain.times import in_words
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_logs import last_words
from .airflow_look import read_log
from .airflow_reading import find_run, instance_rows, refuse_gone, refuse_unreachable
from .airflow_records import Instance, Target, did, moment, of_scene, seen_runs
from .kit import Kit

_AT_WORK = ("running", "restarting")  # one that is deferred waits on purpose, and holds no slot


@dataclass(frozen=True)
class _AtWork:
    """A running task instance."""

    instance: Instance
    started_at: str | None
    age: timedelta
    silence: timedelta  # of its log


class MarkStuckFailed:
    """Airflow's API does not tell heartbeats: a task whose log goes on is alive, whatever its age."""

    parameters: ClassVar[type[Parameters]] = models.MarkStuckFailed

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """Those of the seen runs that are old and silent."""
        api, wanted = Bounded(self._kit.airflow, scene.seconds), scene.parameters
        planned: list[Planned] = []
        for seen in seen_runs(scene, wanted.seen_by):
            run = find_run(api, seen.target)
            if run is None or run["state"] != "running":
                continue
            refuse_gone(api, seen.target.dag_id)
            refuse_unreachable(seen.target)
            at_work = self._at_work(api, seen.target)
            if wanted.scope == "tasks":
                planned += [
                    _task(seen.target, one)
                    for one in at_work
                    if one.age > wanted.older_than and one.silence >= wanted.silent_for
                ]
            elif self._age(run) > wanted.older_than and all(
                one.silence >= wanted.silent_for for one in at_work
            ):
                planned.append(_run(seen.target, run, self._age(run)))
        if len(planned) > wanted.most:
            raise Refused(
                f"{len(planned)} are stuck at once, more than {wanted.most}: the trouble is Airflow's own; "
                "look at its workers first (airflow.resources), or raise `most`"
            )
        return planned

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Unless it has ended, was started anew, or works again."""
        api, data = Bounded(self._kit.airflow, scene.seconds), planned.data
        target = Target(data["dag_id"], data["run_id"])
        happened = _happened(api, planned)
        if happened:
            return did(f"{planned.target} was marked failed already")
        if happened is None:
            raise Refused(
                f"{planned.target} is not what was planned any more: it has ended or was started anew"
            )
        mine = Instance.of(data).key if "task_id" in data else None
        speaking = [
            one.instance.name
            for one in self._at_work(api, target)
            if one.silence < scene.parameters.silent_for and mine in (None, one.instance.key)
        ]
        if speaking:
            raise Refused(f"{planned.target} works again: {speaking[0]} writes to its log; let it run")
        note = f"Marked failed by {of_scene(scene)}"
        if "task_id" in data:
            api.patch(Instance.of(data).path(target), {"new_state": "failed", "note": note})
        else:
            api.patch(target.path, {"state": "failed", "note": note})
        return did(f"Marked {planned.target} failed")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """By its state, as long as it is the same try."""
        return _happened(Bounded(self._kit.airflow, scene.seconds), planned)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """The process is gone."""
        return None

    def _at_work(self, api: Bounded, target: Target) -> list[_AtWork]:
        found = []
        for row in instance_rows(api, target, _AT_WORK):
            one, age = Instance.of(row), self._age(row)
            silence = min(age, self._silence(api, target, one, age))
            found.append(_AtWork(one, row.get("start_date"), age, silence))
        return found

    def _silence(self, api: Bounded, target: Target, one: Instance, age: timedelta) -> timedelta:
        try:
            said = last_words(read_log(api, target, one, one.try_number))
        except (AirflowRefused, AirflowUnavailable):
            said = None  # the worker that has the log is away: that is silence, too
        return age if said is None else self._kit.now() - said

    def _age(self, row: Mapping[str, Any]) -> timedelta:
        started = moment(row.get("start_date"))
        return self._kit.now() - started if started else timedelta()


def _task(target: Target, one: _AtWork) -> Planned:
    name = f"{target.name}/{one.instance.name}"
    text = f"Mark {name} failed: running for {in_words(one.age)}, silent for {in_words(one.silence)}"
    data = {**asdict(target), **asdict(one.instance), "started_at": one.started_at}
    return Planned(f"task:{name}", one_line(text, 200), data)


def _run(target: Target, run: Mapping[str, Any], age: timedelta) -> Planned:
    text = f"Mark the run {target.name} failed: running for {in_words(age)}, and nothing in it works"
    data = {**asdict(target), "state": run["state"], "started_at": run["start_date"]}
    return Planned(f"run:{target.name}", one_line(text, 200), data)


def _happened(api: Bounded, planned: Planned) -> bool | None:
    data = planned.data
    target = Target(data["dag_id"], data["run_id"])
    row = api.find(Instance.of(data).path(target) if "task_id" in data else target.path)
    if row is None or row.get("start_date") != data["started_at"]:
        return None
    if row["state"] == "failed":
        return True
    return False if row["state"] == data["state"] else None
