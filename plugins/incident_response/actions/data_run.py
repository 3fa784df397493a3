"""data.run: one run of each ingestion DAG that cannot be told what to ingest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, Refused
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.data_steps import DataRun

from .airflow_records import listed
from .data_dags import check_dag, path_of, run_of
from .kit import Kit

_AT_WORK = ("queued", "running")


class Run:
    """Such a DAG goes on from its own checkpoint: a second run beside one at work would ingest twice."""

    parameters: ClassVar[type[Parameters]] = DataRun

    def __init__(self, kit: Kit) -> None:
        self._api = kit.airflow

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One run of each DAG. Raises Refused, AirflowUnavailable, AirflowRefused."""
        asked: DataRun = scene.parameters
        self._refuse_unreachable(scene, asked)
        name = f"incident-{scene.incident.number}-{scene.attempt}"
        for dag_id in asked.dags:
            check_dag(self._api, dag_id)
            self._refuse_beside(dag_id, name)
        return [
            Planned(
                f"run:{dag_id}/{name}",
                one_line(f"Trigger {dag_id} once: run {name}, which goes on from its own checkpoint", 200),
                {"dag_id": dag_id, "run_id": name, "key": dag_id},
            )
            for dag_id in asked.dags
        ]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Trigger one run. Raises Refused, AirflowUnavailable, AirflowRefused."""
        dag_id, run_id = planned.data["dag_id"], planned.data["run_id"]
        if run_of(self._api, dag_id, run_id) is not None:
            return _done(dag_id, run_id, "had been triggered before")
        check_dag(self._api, dag_id)
        self._refuse_beside(dag_id, run_id)
        note = f"INC-{scene.incident.number}: {scene.incident.title}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": {}, "note": one_line(note, 500)}
        try:
            self._api.post(f"{path_of(dag_id)}/dagRuns", body)
        except AirflowUnavailable:
            # The answer may be lost while the run is not.
            if run_of(self._api, dag_id, run_id) is None:
                raise
        except AirflowRefused as refused:
            if refused.status != 409:
                raise
            return _done(dag_id, run_id, "had been triggered before")
        return _done(dag_id, run_id, "is triggered")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """Whether a run of this id is there; None while Airflow does not answer."""
        try:
            return run_of(self._api, planned.data["dag_id"], planned.data["run_id"]) is not None
        except (AirflowUnavailable, AirflowRefused):
            return None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Data that was ingested stays."""
        return None

    @staticmethod
    def _refuse_unreachable(scene: Scene, asked: DataRun) -> None:
        found: Sequence[Any] = scene.found.get(asked.from_step, {}).get("unreachable") or ()
        if found:
            raise Refused(
                f"{listed(map(str, found))} lie before the checkpoint of {listed(asked.dags)}: no run of it "
                "ingests them again; set its checkpoint back, or load them by hand"
            )

    def _refuse_beside(self, dag_id: str, own: str) -> None:
        query = {"state": list(_AT_WORK), "order_by": "-run_after", "limit": 5}
        rows = self._api.get(f"{path_of(dag_id)}/dagRuns", query)["dag_runs"]
        others = [row["dag_run_id"] for row in rows if row["state"] in _AT_WORK and row["dag_run_id"] != own]
        if others:
            raise Refused(
                f"{dag_id} is at work ({others[0]}) and goes on from its own checkpoint: a second run beside "
                "it would ingest the same again; wait for its end"
            )


def _done(dag_id: str, run_id: str, what: str) -> Done:
    text = one_line(f"Run {run_id} of {dag_id} {what}", 200)
    return Done(text, {"action": DataRun.action, "dag_id": dag_id, "run_id": run_id, "key": dag_id})
