"""A cluster policy: the worker of every task of a runbook is killed once, behind the work of the task.

A test copies it to `config/airflow_local_settings.py`. The step is written down in the store then, and
Airflow has not heard of it: the next try finds what the first one has left.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

__all__ = ["die", "task_policy"]

_RUNBOOKS = "runbook_"
_METHODS = ("execute", "execute_complete")  # the second: what waited for an answer goes on in a worker
_LOST = "UPDATE task_instance SET last_heartbeat_at = last_heartbeat_at - interval '1 hour' WHERE id = %s"


def task_policy(task: Any) -> None:
    """Tasks of runbooks only; the next try comes soon."""
    if task.dag_id.startswith(_RUNBOOKS):
        task.retry_delay = timedelta(seconds=1)
        kind = type(task)
        if "deadly" not in vars(kind):
            kind.deadly = True
            for name in _METHODS:
                if callable(work := getattr(kind, name, None)):
                    setattr(kind, name, _deadly(name, work))


def _deadly(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def deadly(self: Any, context: Any, *rest: Any, **named: Any) -> Any:
        """Done, failed, skipped or about to wait: it is not told."""
        try:
            return work(self, context, *rest, **named)
        finally:
            _die_once(context["ti"], name)

    return deadly


def _die_once(ti: Any, name: str) -> None:
    mark = Path(os.environ["AIRFLOW_HOME"]) / "killed" / ti.dag_id / ti.run_id / f"{ti.task_id}.{name}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    die(str(ti.id))


def die(task_instance: str) -> None:
    """The supervisor first, so that nobody tells Airflow how the task has ended."""
    supervisor = os.getppid()
    os.kill(supervisor, signal.SIGKILL)
    while os.getppid() == supervisor:
        time.sleep(0.01)
    _be_missed(task_instance)
    os.kill(os.getpid(), signal.SIGKILL)


def _be_missed(task_instance: str) -> None:
    """Its last sign of life was long ago. A short timeout would take starving workers for dead ones, too."""
    import psycopg2

    url = os.environ["METADATA_OF_THE_TEST"]
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(_LOST, (task_instance,))
