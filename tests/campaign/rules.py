"""Airflow's own scheduling rules, asked without a database; what differs between its versions is here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from airflow.api_fastapi.execution_api.routes import task_instances as execution_api
from airflow.jobs import scheduler_job_runner
from airflow.models import taskinstance
from airflow.models.dagrun import DagRun
from airflow.ti_deps.dep_context import DepContext
from airflow.ti_deps.deps.mapped_task_upstream_dep import MappedTaskUpstreamDep
from airflow.ti_deps.deps.not_previously_skipped_dep import NotPreviouslySkippedDep
from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep

from .database import Database
from .instance import Instance
from .pipeline import Pipeline, build

try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
except ImportError:  # 3.1
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization

_DEPS = (TriggerRuleDep(), NotPreviouslySkippedDep(), MappedTaskUpstreamDep())

# 3.1 skips what a branch does not follow even when it works already, and its timeout leaves untouched what
# had no state yet (NULL is in no SQL list).
SKIPS_WORKING = "state.not_in" not in inspect.getsource(execution_api.ti_skip_downstream)
TIMEOUT_FORGETS = "state.is_(None)" not in inspect.getsource(
    scheduler_job_runner.SchedulerJobRunner._schedule_dag_run
)


def scheduled(pipeline: Pipeline) -> Any:
    """The DAG as Airflow's scheduler has it. Raises for what is no DAG."""
    dag = build(pipeline)
    dag.validate()
    return Serialization.from_dict(Serialization.to_dict(dag))


def ready(
    instances: Sequence[Instance], finished: list[Any], database: Database, dice: Random
) -> list[Instance]:
    """Those of `instances` that may start now. Changes the states of those that never will.

    Airflow asks its rules in the order of a set, which is another one in each process.
    """
    context = DepContext(flag_upstream_failed=True, ignore_unmapped_tasks=True, finished_tis=finished)
    deps = dice.sample(_DEPS, len(_DEPS))
    found = []
    for instance in instances:
        statuses = [
            status
            for dep in deps
            for status in dep._get_dep_statuses(ti=instance, session=database, dep_context=context)  # type: ignore[arg-type]
        ]
        if all(status.passed for status in statuses):
            found.append(instance)
    return found


def leaves(dag: Any, instances: Iterable[Instance]) -> list[Instance]:
    """Those whose states decide about the run's."""
    return list(DagRun._tis_for_dagrun_state(None, dag=dag, tis=list(instances)))  # type: ignore[arg-type]


def stop_the_rest(failed: Instance, dag: Any, database: Database) -> None:
    """What `fail_fast` does to the others."""
    teardowns = {task.task_id: task.is_teardown for task in dag.tasks}
    taskinstance._stop_remaining_tasks(
        task_instance=failed,  # type: ignore[arg-type]
        task_teardown_map=teardowns,
        session=database,  # type: ignore[arg-type]
    )


def copies(task: Any, run_id: str, database: Database) -> int:
    """How many instances a mapped task has. Raises NotMapped."""
    return int(_count(task, run_id, session=database))


def cleared(dag: Any, run_id: str, database: Database, body: Mapping[str, Any]) -> list[Instance]:
    """What a request to clear takes: the route's few lines around `dag.clear`."""
    markers = body.get("task_ids")
    if markers is not None:
        indexed = {tuple(one) for one in markers if not isinstance(one, str)}
        plain = {one for one in markers if isinstance(one, str)}
        if body.get("include_upstream"):
            raise NotImplementedError("include_upstream")
        if body.get("include_downstream"):
            for relative in _relatives(dag, run_id, database, plain, indexed):
                (plain if isinstance(relative, str) else indexed).add(relative)
        markers = [*plain, *(one for one in indexed if one[0] not in plain)]
    found = dag.clear(
        dry_run=True,
        task_ids=markers,
        run_id=run_id,
        session=database,
        only_failed=body.get("only_failed", True),
    )
    return list(found)


def _relatives_by_index(
    dag: Any, run_id: str, database: Database, plain: set[str], indexed: set[Any]
) -> set[Any]:
    find: Callable[..., Any] = taskinstance.find_relevant_relatives  # type: ignore[attr-defined]
    return set(find(plain, indexed, dag=dag, run_id=run_id, direction="downstream", session=database))


def _relatives_by_task(
    dag: Any, run_id: str, database: Database, plain: set[str], indexed: set[Any]
) -> set[Any]:
    subset = dag.partial_subset(
        task_ids=plain | {task for task, _ in indexed},
        include_downstream=True,
        include_upstream=False,
        exclude_original=True,
    )
    return set(subset.task_dict)


try:
    from airflow.serialization.definitions.mappedoperator import get_mapped_ti_count as _count
except ImportError:  # 3.1
    from airflow.models.mappedoperator import get_mapped_ti_count as _count

_relatives = _relatives_by_index if hasattr(taskinstance, "find_relevant_relatives") else _relatives_by_task
