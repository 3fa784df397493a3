"""What a failed task waited for, by the attributes of its operator. Reads objects, asks nothing."""

from __future__ import annotations

from typing import Any

from incident_response.domain.waiting import awaited


def waited_for(task: Any, exception: BaseException | str | None) -> dict[str, str] | None:
    """The run of another DAG that explains the failure; None: the task failed by itself.

    A task that starts a run and fails with words of its own has failed before it could start it. Airflow 3.1
    gives no exception when the started run has failed.
    """
    started = getattr(task, "trigger_dag_id", None)
    if started and (exception is None or str(started) in str(exception)):
        # On 3.1 a deferrable one waits whether it was asked to or not.
        waits = getattr(task, "wait_for_completion", False) or getattr(task, "deferrable", False)
        return awaited(started, getattr(task, "trigger_run_id", None)) if waits else None
    return awaited(getattr(task, "external_dag_id", None))
