"""Cluster policies that attach report_failure to every DAG, for sites that prefer them to the listener.

In `config/airflow_local_settings.py`:

    from incident_response.orchestration.cluster_policy import dag_policy, task_policy
    __all__ = ["dag_policy", "task_policy"]

Unlike the listener they also report runs that fail as a whole, seconds before the scan does. With both
switched on each failure is told twice and is one incident; `listener_enabled = false` spares the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import intake_guard, pipeline_facts
from .callbacks import report_failure
from .notifier import IncidentNotifier


def dag_policy(dag: Any) -> None:
    """Report runs of this DAG that fail."""
    if _wanted(dag):
        dag.on_failure_callback = _with_report(dag.on_failure_callback)
        dag.has_on_failure_callback = True  # the scheduler asks for this one, which was set before


def task_policy(task: Any) -> None:
    """Report tries of this task that fail for good; mapped tasks, too."""
    if _wanted(getattr(task, "dag", None)):
        task.on_failure_callback = _with_report(task.on_failure_callback)


def _wanted(dag: Any) -> bool:
    return pipeline_facts.dag_facts(dag).ignored(intake_guard.opt_out_tag()) is None


def _with_report(callbacks: Any) -> list[Callable[..., Any]]:
    """A new list: the old one may be shared by all tasks through default_args."""
    present = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
    if any(one is report_failure or isinstance(one, IncidentNotifier) for one in present):
        return present
    return [*present, report_failure]
