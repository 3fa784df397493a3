"""Runs of the demo's pipelines, through Airflow's REST API, as a person or a script would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.support.airflow import Airflow

from .pipelines import Pipeline
from .terminal import wait

_TRIES = 8


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
        answer = _insist(lambda: airflow.post(f"/api/v2/dags/{pipeline.dag_id}/dagRuns", json=body))
        if answer.status_code not in (200, 409):
            raise RuntimeError(
                f"{pipeline.dag_id} was not triggered: {answer.status_code} {answer.text[:300]}"
            )
        return cls(airflow, pipeline, run_id)

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
        """Clear the failed task, as by hand; asking twice is harmless, nothing is failed the second time."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": [self.pipeline.task],
            "only_failed": True,
            "reset_dag_runs": True,
        }
        path = f"/api/v2/dags/{self.pipeline.dag_id}/clearTaskInstances"
        _insist(lambda: self.airflow.post(path, json=body)).raise_for_status()

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
        answer = _insist(lambda: self.airflow.get(whole, params=query))
        return dict(answer.json()) if answer.status_code == 200 else {}


def _insist(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask again while Airflow does not answer, or answers 5xx. Raises RuntimeError when that does not end."""
    problem = ""
    for _ in range(_TRIES):
        try:
            answer = ask()
        except httpx.TransportError as error:
            problem = type(error).__name__
        else:
            if answer.status_code < 500:
                return answer
            problem = f"{answer.status_code} {answer.text[:200]}"
        wait(1)
    raise RuntimeError(f"Airflow does not answer, {_TRIES} times in a row; the last time: {problem}")


def _attempt(entry: dict[str, Any]) -> Attempt:
    return Attempt(
        entry["try_number"], str(entry["state"]), _moment(entry["start_date"]), _moment(entry["end_date"])
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
