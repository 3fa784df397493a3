"""data.ingest: one run of the ingestion DAG for each missing key, and never a second one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, BadInput, Refused
from incident_response.domain.redaction import one_line
from incident_response.domain.times import utc
from incident_response.parameters.base import Parameters
from incident_response.parameters.data_steps import DataIngest

from .airflow_records import listed
from .data_dags import check_dag, dag_of, missing, path_of, run_of, runs_at, time_of
from .data_keys import filled, period, run_id
from .kit import Kit


class Ingest:
    """Airflow itself keeps a run from being started twice: a run's id is unique."""

    parameters: ClassVar[type[Parameters]] = DataIngest

    def __init__(self, kit: Kit) -> None:
        self._api = kit.airflow

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One run for each key. Raises Refused, AirflowUnavailable, AirflowRefused."""
        asked: DataIngest = scene.parameters
        found = missing(scene, asked.from_step, asked.most)
        if not found.keys:
            return []
        dag_id = dag_of(scene, asked.dag_id)
        check_dag(self._api, dag_id)
        planned = []
        for key in found.keys:
            name = run_id(scene.incident.number, scene.attempt, key)
            logical = None
            if asked.logical_date:
                logical = utc(_start(key, found.every, found.zone) + asked.shift)
            conf = filled(dict(asked.conf), key)
            data = {
                "dag_id": dag_id,
                "run_id": name,
                "key": key,
                "conf": conf,
                "logical_date": logical.isoformat() if logical else None,
            }
            when = f", logical date {logical:%Y-%m-%d %H:%M} UTC" if logical else ""
            text = f"Trigger {dag_id} for {key}: run {name}{when}, conf {json.dumps(conf, default=str)}"
            planned.append(Planned(f"run:{dag_id}/{name}", one_line(text, 200), data))
        self._refuse_taken(dag_id, [plan.data for plan in planned])
        return planned

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Trigger one run. Raises Refused, AirflowUnavailable, AirflowRefused."""
        data = planned.data
        if run_of(self._api, data["dag_id"], data["run_id"]) is not None:
            return _done(data, "had been triggered before")
        check_dag(self._api, data["dag_id"])
        body = {
            "dag_run_id": data["run_id"],
            "logical_date": data["logical_date"],
            "conf": data["conf"],
            "note": f"INC-{scene.incident.number}: {data['key']} was missing",
        }
        try:
            self._api.post(f"{path_of(data['dag_id'])}/dagRuns", body)
        except AirflowUnavailable:
            # The answer may be lost while the run is not.
            if run_of(self._api, data["dag_id"], data["run_id"]) is None:
                raise
        except AirflowRefused as refused:
            if refused.status != 409:
                raise
            if run_of(self._api, data["dag_id"], data["run_id"]) is None:
                raise Refused(_taken(data["dag_id"], [data["key"]])) from None
            return _done(data, "had been triggered before")
        return _done(data, "is triggered")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """Whether a run of this id is there; None while Airflow does not answer."""
        try:
            return run_of(self._api, planned.data["dag_id"], planned.data["run_id"]) is not None
        except (AirflowUnavailable, AirflowRefused):
            return None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Data that was ingested stays."""
        return None

    def _refuse_taken(self, dag_id: str, plans: Sequence[Mapping[str, Any]]) -> None:
        """Airflow has one run for a logical date: a key whose date has another run cannot be triggered."""
        wanted = {time_of(data["logical_date"]): data for data in plans if data["logical_date"]}
        taken = [
            wanted[date]["key"]
            for date, run in runs_at(self._api, dag_id, wanted).items()
            if run["dag_run_id"] != wanted[date]["run_id"]
        ]
        if taken:
            raise Refused(_taken(dag_id, taken))


def _start(key: str, every: str | None, zone: str) -> datetime:
    try:
        return period(key, every, zone)[0]
    except BadInput as error:
        raise Refused(f"a logical date is asked for, but {error}; set `logical_date: false`") from None


def _taken(dag_id: str, keys: Sequence[str]) -> str:
    return (
        f"{dag_id} has a run with the logical date of {listed(keys)} already; clear that run, or set "
        "`logical_date: false` and give the date in `conf`"
    )


def _done(data: Mapping[str, Any], what: str) -> Done:
    text = one_line(f"Run {data['run_id']} of {data['dag_id']} {what}", 200)
    kept = {key: data[key] for key in ("dag_id", "run_id", "key")}
    return Done(text, {"action": DataIngest.action, **kept})
