"""airflow.clear_failed and airflow.rerun: let exactly the right task instances run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused, StoppedByPerson
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_reading import FAILED, failed_instances, instance_rows, refuse_blocked, run_of
from .airflow_records import (
    ENDED,
    MISSING,
    Instance,
    SeenRun,
    Target,
    counted,
    dag_path,
    did,
    listed,
    moment,
    seen_runs,
)
from .airflow_stops import refuse_stopped
from .kit import Kit


class ClearFailed:
    """Clears what failed. Airflow clears all that one request names, or nothing."""

    parameters: ClassVar[type[Parameters]] = models.ClearFailed

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One for each failed run, with Airflow's own list. Refused when nothing but deleted ones is left."""
        api = Bounded(self._kit.airflow, scene.seconds)
        planned = []
        runs = seen_runs(scene, scene.parameters.seen_by)
        stopped: list[StoppedByPerson] = []
        for seen in runs:
            if not seen.is_failed:
                if scene.parameters.stuck and seen.state == "running":
                    planned += _clear_stuck(api, seen)
                continue
            run = run_of(api, seen.target)
            found = would_clear(api, seen.target, only_failed=True)
            try:
                refuse_stopped(api, scene, seen.target, run, found)
            except StoppedByPerson as stop:  # the other runs are nobody's decision
                stopped.append(stop)
                continue
            refuse_blocked(api, seen.target.dag_id)
            refuse_too_many(seen.target, found, scene.parameters.most)
            if found:
                planned.append(_clear(seen, found))
        if stopped and not planned:
            raise stopped[0]
        for seen in runs:
            if not planned and seen.state == MISSING:
                refuse_blocked(api, seen.target.dag_id)
                run_of(api, seen.target)
        return planned

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Those of the plan that nobody has cleared since."""
        api, target = Bounded(self._kit.airflow, scene.seconds), _target(planned)
        run = run_of(api, target)
        tries = _tries(planned)
        now = would_clear(api, target, only_failed=True)
        refuse_stopped(api, scene, target, run, now)
        refuse_blocked(api, target.dag_id)
        left = [instance for instance in now if tries.get(instance.key) == instance.try_number]
        if not left:
            return did(f"{target.name} was cleared already; nothing was left to clear")
        # What waits for them in vain by now would fail the run again.
        waiting = [one for one in now if one.state == "upstream_failed" and one not in left]
        cleared = _send(api, target, only_failed=True, exactly=[*left, *waiting])
        names = [instance.name for instance in cleared]
        return did(f"Cleared {target.name}: {listed(names)}", {"cleared": names[:50]})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """True when one of them is failed no more, or was tried since."""
        api, target = Bounded(self._kit.airflow, scene.seconds), _target(planned)
        if api.find(target.path) is None:
            return None
        now = {instance.key: instance.try_number for instance in failed_instances(api, target)}
        return any(now.get(key) != number for key, number in _tries(planned).items())

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """What has run has run."""
        return None


class Rerun:
    """Clears a whole run."""

    parameters: ClassVar[type[Parameters]] = models.Rerun

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One for each run."""
        api = Bounded(self._kit.airflow, scene.seconds)
        return [self._planned(api, scene, target) for target in _chosen(api, scene)]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Unless it runs again already."""
        api, target = Bounded(self._kit.airflow, scene.seconds), _target(planned)
        run = run_of(api, target)
        refuse_stopped(api, scene, target, run)
        refuse_blocked(api, target.dag_id)
        if not _is_as_planned(run, planned):
            return did(f"{target.name} runs again, or has run again, already")
        cleared = _send(api, target, only_failed=False)
        text = f"Cleared all of {target.name}: {counted(cleared, 'task instance')}"
        return did(text, {"cleared": [instance.name for instance in cleared][:50]})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """True when the run is no longer ended as it was."""
        run = Bounded(self._kit.airflow, scene.seconds).find(_target(planned).path)
        return None if run is None else not _is_as_planned(run, planned)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """What has run has run."""
        return None

    def _planned(self, api: Bounded, scene: Scene, target: Target) -> Planned:
        run = run_of(api, target)
        refuse_stopped(api, scene, target, run)
        refuse_blocked(api, target.dag_id)
        if run["state"] not in ENDED:
            raise Refused(
                f"Run {target.name} is {run['state']}: to clear it would kill its tasks; "
                "wait for its end, or mark it failed first (airflow.mark_stuck_failed)"
            )
        found = would_clear(api, target, only_failed=False)
        refuse_too_many(target, found, scene.parameters.most)
        text = one_line(f"Run all of {target.name} again: {counted(found, 'task instance')}", 200)
        data = {**asdict(target), "state": run["state"], "ended_at": run.get("end_date")}
        return Planned(f"run:{target.name}", text, data)


def would_clear(api: Bounded, target: Target, *, only_failed: bool) -> list[Instance]:
    """What a clear of the run would take, by Airflow's dry run."""
    found = _clear_request(api, target, {"dry_run": True, "only_failed": only_failed})
    return [instance for instance in found if not only_failed or instance.state in FAILED]


def refuse_too_many(target: Target, found: Sequence[Instance], most: int) -> None:
    """Raises Refused when a person should look first."""
    if len(found) > most:
        raise Refused(
            f"{target.name} has {len(found)} task instances to clear, more than {most}; "
            "look at it, then clear it by hand or raise `most`"
        )


def _send(
    api: Bounded, target: Target, *, only_failed: bool, exactly: Sequence[Instance] = ()
) -> list[Instance]:
    body: dict[str, Any] = {"dry_run": False, "only_failed": only_failed}
    if exactly:
        body["task_ids"] = [instance.marker for instance in exactly]
    return _clear_request(api, target, body)


def clear_with_downstream(api: Bounded, target: Target, one: Instance) -> list[Instance]:
    """Clear a task instance and what depends on it, whatever their states."""
    body = {"dry_run": False, "only_failed": False, "include_downstream": True, "task_ids": [one.marker]}
    return _clear_request(api, target, body)


def _clear_request(api: Bounded, target: Target, body: Mapping[str, Any]) -> list[Instance]:
    whole = {**body, "dag_run_id": target.run_id, "reset_dag_runs": True}
    rows = api.post(f"{target.dag_path}/clearTaskInstances", whole)["task_instances"]
    return [Instance.of(row) for row in rows]


def _clear(seen: SeenRun, found: Sequence[Instance]) -> Planned:
    names = listed(instance.name for instance in found)
    text = one_line(f"Clear {counted(found, 'failed task instance')} of {seen.target.name}: {names}", 200)
    data = {**asdict(seen.target), "instances": [asdict(instance) for instance in found]}
    return Planned(f"run:{seen.target.name}", text, data)


def _clear_stuck(api: Bounded, seen: SeenRun) -> list[Planned]:
    """What runs now and will have been marked failed by then. What is not failed by then is not cleared."""
    refuse_blocked(api, seen.target.dag_id)
    found = [Instance.of(row) for row in instance_rows(api, seen.target, ("running",))]
    names = listed(instance.name for instance in found)
    text = one_line(f"Clear what is marked failed of {seen.target.name}: {names}", 200)
    data = {**asdict(seen.target), "instances": [asdict(instance) for instance in found]}
    return [Planned(f"run:{seen.target.name}", text, data)] if found else []


def _chosen(api: Bounded, scene: Scene) -> list[Target]:
    wanted: models.Rerun = scene.parameters
    if wanted.logical_date is None:
        return [seen.target for seen in seen_runs(scene, wanted.seen_by) if seen.is_failed]
    at = wanted.logical_date.isoformat()
    refuse_blocked(api, wanted.dag_id)
    query = {"logical_date_gte": at, "logical_date_lte": at, "limit": 2}
    rows = api.get(f"{dag_path(wanted.dag_id)}/dagRuns", query)["dag_runs"]
    found = [row for row in rows if moment(row.get("logical_date")) == wanted.logical_date]
    if not found:
        raise Refused(f"DAG {wanted.dag_id} has no run of {at}; trigger one for that date instead")
    return [Target(wanted.dag_id, found[0]["dag_run_id"])]


def _is_as_planned(run: Mapping[str, Any], planned: Planned) -> bool:
    return bool(run["state"] == planned.data["state"] and run.get("end_date") == planned.data["ended_at"])


def _target(planned: Planned) -> Target:
    return Target(planned.data["dag_id"], planned.data["run_id"])


def _tries(planned: Planned) -> dict[tuple[str, int], int]:
    return {one.key: one.try_number for one in map(Instance.of, planned.data["instances"])}
