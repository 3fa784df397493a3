"""What a failed task waited for, by the attributes of its operator. Reads objects, asks nothing."""

from __future__ import annotations

from typing import Any

from incident_response.domain.waiting import awaited


def waited_for(task: Any, exception: BaseException | str | None) -> dict[str, str] | None:
    """The run of another DAG that explains the failure; None: the task failed by itself.

    A task that fails with words of its own has failed by itself: an unknown DAG, a broken template. Airflow
    3.1 gives no exception when a started run has failed; a sensor that nobody told of it runs out of time.
    """
    started = getattr(task, "trigger_dag_id", None)
    if started:
        # On 3.1 a deferrable one waits whether it was asked to or not.
        waits = getattr(task, "wait_for_completion", False) or getattr(task, "deferrable", False)
        if waits and (exception is None or str(started) in str(exception)):
            return awaited(started, getattr(task, "trigger_run_id", None))
        return None
    sensed = getattr(task, "external_dag_id", None)
    said = str(exception or "")
    if sensed and (exception is None or str(sensed) in said or "timed out" in said.lower()):
        return awaited(sensed)
    return None
