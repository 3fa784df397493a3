"""DagRuns: starts DAG runs through Airflow's REST API. The id makes a repeat a 409, not a second run."""

from __future__ import annotations

from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.ports import AirflowRest


class DagRuns:
    """Implements ports.Runs."""

    def __init__(self, api: AirflowRest) -> None:
        self._api = api

    def start(self, dag_id: str, run_id: str, incident: int) -> str:
        """Start a run with conf {"incident": n}; answers `started` or `exists`.

        Raises AirflowUnavailable, AirflowRefused. A paused DAG is refused: Airflow would answer 200 and keep
        the run queued for ever.
        """
        self._must_run(dag_id)
        body = {
            "dag_run_id": run_id,
            "logical_date": None,
            "conf": {"incident": incident},
            "note": f"Started by incident response for INC-{incident}",
        }
        try:
            self._api.post(f"/dags/{quote(dag_id, safe='')}/dagRuns", body)
        except AirflowRefused as error:
            if error.status == 409:
                return "exists"
            raise
        return "started"

    def _must_run(self, dag_id: str) -> None:
        try:
            dag = self._api.get(f"/dags/{quote(dag_id, safe='')}")
        except AirflowRefused as error:
            if error.status != 404:
                raise
            raise AirflowRefused(
                f"there is no DAG {dag_id}: copy dags/ and include/ into Airflow, and look for import errors",
                status=404,
            ) from error
        if dag.get("is_stale"):
            raise AirflowRefused(
                f"DAG {dag_id} is no longer in the DAG folder: put its file back, look for import errors",
                status=404,
            )
        if dag.get("is_paused"):
            raise AirflowRefused(f"DAG {dag_id} is paused: run `airflow dags unpause {dag_id}`", status=409)
