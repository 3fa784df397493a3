"""Runs of the demo's pipelines, through Airflow's REST API, as a person or a script would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.airflow import Airflow

from .pipelines import Pipeline
from .terminal import wait

_PATIENCE = 20.0


@dataclass(frozen=True)
class Attempt:
    """One try of a task, as Airflow recorded it."""

    number: int
    state: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class PipelineRun:
    """One DAG run of a pipeline."""

    airflow: Airflow
    pipeline: Pipeline
    run_id: str

    @classmethod
    def start(cls, airflow: Airflow, pipeline: Pipeline, run_id: str) -> PipelineRun:
        """Trigger it. On SQLite Airflow sometimes answers 500; the run's id makes a second try safe."""
        body = {"logical_date": None, "dag_run_id": run_id, "conf": {}}
        for _ in range(int(_PATIENCE)):
            answer = airflow.post(f"/api/v2/dags/{pipeline.dag_id}/dagRuns", json=body)
            if answer.status_code in (200, 409):
                return cls(airflow, pipeline, run_id)
            if answer.status_code < 500:
                break
            wait(1)
        raise RuntimeError(f"{pipeline.dag_id} was not triggered: {answer.status_code} {answer.text[:300]}")

    @property
    def state(self) -> str:
        """`queued`, `running`, `success`, `failed`."""
        return str(self._get("").get("state", ""))

    def attempts(self) -> list[Attempt]:
        """All tries of the task that fails (of the first one, if it is mapped), oldest first."""
        instance = f"/taskInstances/{self.pipeline.task}" + ("/0" if self.pipeline.mapped else "")
        tries = self._get(f"{instance}/tries").get("task_instances", [])
        return sorted((_attempt(entry) for entry in tries), key=lambda attempt: attempt.number)

    def failed_at(self) -> datetime | None:
        """When the first try of the task that fails ended; None: not yet."""
        return next((attempt.ended_at for attempt in self.attempts() if attempt.number == 1), None)

    def restarted_at(self) -> datetime | None:
        """When its second try started; None: not yet."""
        return next((attempt.started_at for attempt in self.attempts() if attempt.number == 2), None)

    def tries(self) -> list[int]:
        """How often each instance of the task that fails was tried."""
        found = self._get("/taskInstances", limit=100).get("task_instances", [])
        return [entry["try_number"] for entry in found if entry["task_id"] == self.pipeline.task]

    def clear(self) -> None:
        """Clear the failed task, as by hand."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": [self.pipeline.task],
            "only_failed": True,
            "reset_dag_runs": True,
        }
        path = f"/api/v2/dags/{self.pipeline.dag_id}/clearTaskInstances"
        for _ in range(int(_PATIENCE)):
            answer = self.airflow.post(path, json=body)
            if answer.status_code == 200:
                return
            wait(0.5)
        answer.raise_for_status()

    def arrives_in(self, states: Iterable[str], seconds: float) -> bool:
        """Wait for one of the states."""
        wanted = set(states)
        for _ in range(int(seconds / 0.2)):
            if self.state in wanted:
                return True
            wait(0.2)
        return False

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        whole = f"/api/v2/dags/{self.pipeline.dag_id}/dagRuns/{self.run_id}{path}"
        answer = self.airflow.get(whole, params=query)
        return dict(answer.json()) if answer.status_code == 200 else {}


def _attempt(entry: dict[str, Any]) -> Attempt:
    return Attempt(
        entry["try_number"], str(entry["state"]), _moment(entry["start_date"]), _moment(entry["end_date"])
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
