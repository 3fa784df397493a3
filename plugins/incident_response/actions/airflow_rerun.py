"""airflow.rerun: let a whole run run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from incident_response.clients.airflow_states import dag_path
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_clearing import dry_run_all, refuse_too_many, send_all, version
from .airflow_followers import repeated, task_rows
from .airflow_reading import find_run, refuse_blocked, run_of
from .airflow_records import ENDED, Target, counted, did, moment, seen_runs
from .kit import Kit


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
        refuse_blocked(api, target.dag_id)
        if not _is_as_planned(run_of(api, target), planned):
            return did(f"{target.name} runs again, or has run again, already")
        cleared = send_all(api, target)
        text = f"Cleared all of {target.name}: {counted(cleared, 'task instance')}"
        return did(text, {"cleared": [one.name for one in cleared]})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """True when the run is no longer ended as it was."""
        run = find_run(Bounded(self._kit.airflow, scene.seconds), _target(planned))
        return None if run is None else not _is_as_planned(run, planned)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """What has run has run."""
        return None

    def _planned(self, api: Bounded, scene: Scene, target: Target) -> Planned:
        refuse_blocked(api, target.dag_id)
        run = run_of(api, target)
        if run["state"] not in ENDED:
            raise Refused(
                f"Run {target.name} is {run['state']}: to clear it would kill its tasks; "
                "wait for its end, or mark it failed first (airflow.mark_stuck_failed)"
            )
        found = dry_run_all(api, target)
        refuse_too_many(target, found, scene.parameters.most)
        dag = api.find(f"{dag_path(target.dag_id)}/details") or {}
        hurt = [one.key for one in found if one.state in ("failed", "upstream_failed")]
        tasks = task_rows(api, target.dag_id)
        told = repeated(api, target.dag_id, dag, tasks, found, hurt, whole=True)
        text = one_line(f"Run all of {target.name} again: {counted(found, 'task instance')}", 200)
        data = {**asdict(target), "state": run["state"], "ended_at": run.get("end_date")}
        parts = [f"{one.name} ({one.state})" for one in found]
        parts += [f"wakes again: {told.wakes}"] if told.wakes else []
        return Planned(f"run:{target.name}", text, data, (*parts, version(run, dag)), told.asks)


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
