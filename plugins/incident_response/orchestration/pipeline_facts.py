"""What a worker or the DAG processor knows of a failure, as signals. Reads objects, asks nothing.

Nothing in here may ask for a connection or a variable: with the API server down that takes 8 s, in which the
failing task would wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from incident_response.domain.pipeline_signals import Attempt, DagFacts, run_failed, task_failed
from incident_response.domain.signals import Signal

from .waited_for import waited_for

CALLBACK, LISTENER = "callback", "listener"

_REASONS = {
    "task_failure": "a task failed",
    "timed_out": "it ran longer than its time limit",
    "all_tasks_deadlocked": "its tasks wait for each other",
}


def is_of_dag(context: Mapping[str, Any]) -> bool:
    """True for the context of a DAG's callback: only it says why it was called."""
    return "reason" in context


def dag_facts(dag: Any, task: Any = None) -> DagFacts:
    """Tags of the DAG, owner of the task, as far as they are known."""
    owner = getattr(task, "owner", "") or getattr(dag, "owner", "")
    return DagFacts.of(getattr(dag, "tags", None), owner)


def of_context(source: str, context: Mapping[str, Any], now: datetime) -> Signal:
    """The failure that a callback was called for."""
    if is_of_dag(context):
        return _run(source, context, now)
    ti = context.get("ti") or context["task_instance"]
    return of_task(source, ti, context.get("exception"), now)


def of_task(source: str, ti: Any, exception: BaseException | str | None, now: datetime) -> Signal:
    """The failure of a task instance of the Task SDK."""
    index = getattr(ti, "map_index", None)
    attempt = Attempt(ti.dag_id, ti.run_id, ti.task_id, -1 if index is None else index, ti.try_number)
    task = getattr(ti, "task", None)
    # Not get_template_context(): it builds everything a template could ask for.
    from_server = getattr(ti, "_ti_context_from_server", None)
    dag_run = getattr(from_server, "dag_run", None)
    return task_failed(
        source,
        attempt,
        getattr(ti, "end_date", None) or now,
        dag_facts(getattr(task, "dag", None), task),
        exception=_masked(exception),
        max_tries=getattr(ti, "max_tries", None),
        logical_date=getattr(dag_run, "logical_date", None),
        waits_for=waited_for(task, exception),
    )


def _run(source: str, context: Mapping[str, Any], now: datetime) -> Signal:
    dag, dag_run = context["dag"], context.get("dag_run")
    reason = str(context["reason"])
    return run_failed(
        source,
        dag.dag_id,
        context["run_id"],
        getattr(dag_run, "end_date", None) or now,
        dag_facts(dag),
        reason=_REASONS.get(reason, reason),
        logical_date=getattr(dag_run, "logical_date", None),
    )


def _masked(exception: BaseException | str | None) -> BaseException | str | None:
    """Without the secrets that Airflow knows by value: those of the connections this process has used."""
    if exception is None:
        return None
    # Not public, but at the same place on all supported versions; without it the patterns of our own remain.
    with suppress(ImportError):
        from airflow.sdk._shared.secrets_masker import redact

        said = exception if isinstance(exception, str) else str(exception)
        masked = str(redact(said))
        if masked != said:
            return masked if isinstance(exception, str) else f"{type(exception).__name__}: {masked}"
    return exception
