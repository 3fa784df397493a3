"""data.ingested: have the runs that were started ended well?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.data_steps import DataBackfill, DataIngest, DataIngested, DataRun

from .airflow_records import listed
from .data_backfill import mark, marked
from .data_dags import dag_of, run_of, runs_at, runs_between, time_of
from .data_keys import run_id
from .kit import Kit

_GONE = "missing"
_BY_RUN = (DataIngest.action, DataRun.action)
_INGESTING = (*_BY_RUN, DataBackfill.action)


class Ingested:
    """Proof is each of these very runs in the state `success`."""

    parameters: ClassVar[type[Parameters]] = DataIngested

    def __init__(self, kit: Kit) -> None:
        self._api = kit.airflow

    def look(self, scene: Scene) -> Finding:
        """The states of the runs. Raises AirflowUnavailable, AirflowRefused."""
        states = self._states(scene)
        if not states:
            return _nothing(scene)
        data = {"runs": dict(list(states.items())[:50]), "count": len(states)}
        good = [name for name, state in states.items() if state == "success"]
        bad = [f"{name} is {state}" for name, state in states.items() if state in ("failed", _GONE)]
        if bad:
            text = one_line(
                f"{len(bad)} of {len(states)} ingesting runs did not end well: {listed(bad, 3)}", 200
            )
            return Finding(text, data, (), ("ingestion_failed",), False)
        if len(good) < len(states):
            waiting = [f"{name} is {state}" for name, state in states.items() if state != "success"]
            text = f"{len(good)} of {len(states)} ingesting runs have ended well; {listed(waiting, 3)}"
            return Finding(one_line(text, 200), data)
        text = f"All {len(states)} ingesting runs have ended well: {listed(good, 3)}"
        return Finding(one_line(text, 200), data, proven=True)

    def _states(self, scene: Scene) -> dict[str, str]:
        """By run. An interruption may have kept what was done from being written down: then keys tell."""
        done = [data for data in scene.done.values() if data.get("action") in _INGESTING]
        states: dict[str, str] = {}
        for data in done:
            if data["action"] == DataBackfill.action:
                states |= self._backfill(data)
        runs = {(data["dag_id"], data["run_id"]) for data in done if data["action"] in _BY_RUN}
        if not states and not any(data["action"] == DataRun.action for data in done):
            dags = {dag_id for dag_id, _ in runs} or self._named(scene)
            if not runs:
                states |= self._marked(scene, dags)
            if not states:
                runs |= {(dag_id, name) for dag_id in dags for name in _by_keys(scene)}
        for dag_id, name in sorted(runs):
            run = run_of(self._api, dag_id, name)
            states[f"{dag_id}/{name}"] = str(run["state"]) if run else _GONE
        return states

    def _backfill(self, data: Mapping[str, Any]) -> dict[str, str]:
        dates = [time_of(date) for date in data["dates"]]
        found = runs_at(self._api, data["dag_id"], dates)
        return {
            _dated(data["dag_id"], date): str(found[date]["state"]) if date in found else _GONE
            for date in dates
        }

    def _marked(self, scene: Scene, dags: set[str]) -> dict[str, str]:
        return {
            _dated(dag_id, date): str(run["state"])
            for dag_id in dags
            for row in marked(self._api, dag_id, mark(scene))
            for date, run in runs_between(
                self._api, dag_id, time_of(row["from_date"]), time_of(row["to_date"])
            ).items()
            if run.get("run_type") == "backfill"
        }

    @staticmethod
    def _named(scene: Scene) -> set[str]:
        try:
            return {dag_of(scene, scene.parameters.dag_id)}
        except Refused:  # no DAG is named here: only what was done tells
            return set()


def _by_keys(scene: Scene) -> list[str]:
    keys = scene.found.get(scene.parameters.from_step, {}).get("missing", ())
    return [run_id(scene.incident.number, scene.attempt, str(key)) for key in keys]


def _dated(dag_id: str, date: datetime) -> str:
    return f"{dag_id} {date:%Y-%m-%dT%H:%MZ}"


def _nothing(scene: Scene) -> Finding:
    found = scene.found.get(scene.parameters.from_step, {})
    if "missing" in found and not found["missing"]:
        return Finding("No run was needed: nothing was missing", {"runs": {}, "count": 0}, proven=True)
    return Finding("No ingesting run was started yet", {"runs": {}, "count": 0})
