"""The yardstick: the same clear, done by hand through the REST API of the same Airflow."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime, timezone

from tests.support.airflow import Airflow

from .pipelines import YARDSTICK
from .runs import PipelineRun

_ROUNDS = 3


@dataclass(frozen=True)
class ByHand:
    """Seconds from the clear request of somebody who sat ready to the start of the task, each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)


def measure(airflow: Airflow) -> ByHand:
    """Fail, clear, see when the task starts again, some times. Nothing else runs in the meantime."""
    return ByHand(tuple(_round(airflow, number) for number in range(1, _ROUNDS + 1)))


def _round(airflow: Airflow, number: int) -> float:
    run = PipelineRun.start(airflow, YARDSTICK, f"by-hand-{number}")
    if not run.arrives_in(["failed"], 60):
        raise RuntimeError(
            f"{YARDSTICK.dag_id} {run.run_id} is {run.state!r} and not failed, as it should be"
        )
    asked_at = datetime.now(timezone.utc)
    run.clear()
    # To the end and not only to the start: what is left of this round must not slow down the next one.
    if not run.arrives_in(["success"], 60):
        raise RuntimeError(f"{YARDSTICK.dag_id} {run.run_id} is {run.state!r} after it was cleared by hand")
    started = run.restarted_at()
    assert started is not None, "a run that succeeded has started its task"
    return (started - asked_at).total_seconds()
