"""The listener: failing tasks of every DAG are reported without editing one.

Airflow calls it in three places: in the task's own process, after each failed try; in the scheduler, when an
executor reports a task dead; in the API server, when a person marks one failed. Only the first is ours. In
the other two it would hold up everybody, so it returns at once, and the scan finds those failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.listeners import hookimpl

# Nothing of the store is imported with this module: the scheduler imports it, too.
from incident_response.domain.errors import SettingsError
from incident_response.domain.signals import Signal
from incident_response.domain.times import UTC
from incident_response.settings import settings

from . import intake_guard, pipeline_facts


@hookimpl
def on_task_instance_failed(task_instance: Any, error: BaseException | str | None) -> None:
    """Report the last try. Never raises."""
    if is_final_in_worker(task_instance):
        intake_guard.report(lambda: _signals(task_instance, error))


def is_final_in_worker(task_instance: Any) -> bool:
    """True for the Task SDK's own task instance once its state is decided, False for rows of the scheduler.

    By name, because importing the class would load the Task SDK's runner into every process. The runner sets
    the state before it calls listeners: `failed` without retries left or after AirflowFailException and its
    like, `up_for_retry` otherwise.
    """
    is_runtime = any(base.__name__ == "RuntimeTaskInstance" for base in type(task_instance).__mro__)
    return is_runtime and task_instance.state == "failed"


def _signals(task_instance: Any, error: BaseException | str | None) -> Sequence[Signal]:
    task = getattr(task_instance, "task", None)
    facts = pipeline_facts.dag_facts(getattr(task, "dag", None), task)
    if facts.ignored(intake_guard.opt_out_tag()) or not _enabled():
        return ()
    return (pipeline_facts.of_task(pipeline_facts.LISTENER, task_instance, error, datetime.now(UTC)),)


def _enabled() -> bool:
    """With broken settings it reports: the signal is spooled, and the log says what to mend."""
    try:
        return settings().listener_enabled
    except SettingsError:
        return True
