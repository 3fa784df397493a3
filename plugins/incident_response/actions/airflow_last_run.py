"""airflow.last_run: what another DAG said last about the same thing, for whoever reads the incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_logs import tail
from .airflow_look import read_log
from .airflow_reading import instance_rows
from .airflow_records import ENDED, Instance, Target, dag_path, listed
from .kit import Kit

_ALL = ("success", "failed", "skipped", "upstream_failed")


class LastRun:
    """Its task's logs are the evidence: a data-quality DAG may be green whatever it found."""

    parameters: ClassVar[type[Parameters]] = models.LastRun

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """The last run that has ended. A DAG that is not there, or never ran, is said."""
        asked: models.LastRun = scene.parameters
        api = Bounded(self._kit.airflow, scene.seconds)
        run = self._last(api, asked.dag_id)
        if run is None:
            return Finding(f"No run of {asked.dag_id} has ended, so it says nothing", {"run": None})
        target = Target(asked.dag_id, run["dag_run_id"])
        rows = instance_rows(api, target, _ALL)
        failed = [Instance.of(row).name for row in rows if row["state"] == "failed"]
        said = f"failed: {listed(failed, 3)}" if failed else "no task failed"
        text = f"{asked.dag_id} last ended {run['state']} at {run.get('end_date')}, {said}"
        data = {
            "run": run["dag_run_id"],
            "state": run["state"],
            "ended": run.get("end_date"),
            "failed": failed[:50],
        }
        spoken = sorted(rows, key=lambda row: (row["state"] != "failed", str(row.get("end_date") or "")))
        logs = tuple(
            self._log(api, target, Instance.of(row), asked.log_lines)
            for row in spoken[: asked.tasks]
            if row.get("start_date")
        )
        return Finding(one_line(text, 200), data, logs)

    @staticmethod
    def _last(api: Bounded, dag_id: str) -> Mapping[str, Any] | None:
        query = {"state": list(ENDED), "order_by": "-run_after", "limit": 1}
        try:
            rows = api.get(f"{dag_path(dag_id)}/dagRuns", query)["dag_runs"]
        except AirflowRefused as refused:
            if refused.status != 404:
                raise
            return None
        return next((row for row in rows if row["state"] in ENDED), None)

    @staticmethod
    def _log(api: Bounded, target: Target, one: Instance, lines: int) -> Exhibit:
        name = f"{target.dag_id}.{one.name}.log"
        try:
            return Exhibit(name, tail(read_log(api, target, one, one.try_number), lines))
        except (AirflowRefused, AirflowUnavailable) as error:
            return Exhibit(name, f"(not available: {one_line(str(error))})")
