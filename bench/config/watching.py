"""A cluster policy for the bench: when each task began its own work, which Airflow does not say.

It is copied to `config/airflow_local_settings.py`. What comes before is Airflow's: to schedule the task, to
start its process, to read the DAG file.
"""

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

__all__ = ["task_policy"]


def task_policy(task: Any) -> None:
    """Every task; one that waits is told when it began to."""
    kind = type(task)
    if "watched" not in vars(kind):
        kind.watched = True
        kind.execute = _watched(kind.execute)


def _watched(work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def watched(self: Any, context: Any, *rest: Any, **named: Any) -> Any:
        """The work, after its time was noted."""
        ti = context["ti"]
        mark = Path(os.environ["AIRFLOW_HOME"]) / "began" / ti.dag_id / ti.run_id / ti.task_id
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(time.time()))
        return work(self, context, *rest, **named)

    return watched
