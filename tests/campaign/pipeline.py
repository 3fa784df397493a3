"""A pipeline as data, and the Airflow DAG that it is.

The same DAG is scheduled in memory and by a real Airflow. This file is copied into DAG folders, so it imports
nothing of ours.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.python import (
    BranchPythonOperator,
    PythonOperator,
    ShortCircuitOperator,
)
from airflow.sdk import DAG, get_current_context, task_group

try:
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:  # 3.1
    from airflow.exceptions import AirflowSkipException

TIMEOUT = timedelta(seconds=45)
FOR_EVER = 10**6  # so many first tries fail


@dataclass(frozen=True)
class Task:
    """What it does is scripted by map index and try; -1 is the index of what is not mapped."""

    name: str
    upstream: tuple[str, ...] = ()
    kind: str = "work"  # work, setup, teardown, branch, short
    rule: str = "all_success"
    copies: int = 0  # mapped over so many values
    over: str = ""  # which this upstream task returns, instead of the DAG's file
    group: str = ""  # a mapped task group, whose tasks all have its number of copies
    setups: tuple[str, ...] = ()  # of a teardown
    fails_run: bool = False  # a teardown whose failure fails the run
    follow: tuple[str, ...] = ()  # by a branch
    goes_on: bool = True  # a short circuit
    ignores_rules: bool = True  # a short circuit skips whatever is behind it
    fails: Mapping[int, int] = field(default_factory=dict)  # map index -> so many first tries fail
    skips: tuple[int, ...] = ()  # these map indexes skip themselves
    acts: bool = False  # on others: nobody can take back what it does
    hangs: int = 0  # so many first tries last until the run's time is over

    @property
    def indexes(self) -> tuple[int, ...]:
        """Of its instances, once they are known."""
        return tuple(range(self.copies)) or (-1,)


@dataclass(frozen=True)
class Pipeline:
    """One DAG."""

    name: str
    tasks: tuple[Task, ...]
    fail_fast: bool = False
    times_out: bool = False

    def task(self, name: str) -> Task:
        """By name."""
        return next(one for one in self.tasks if one.name == name)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Pipeline:
        """From JSON."""
        return cls(**{**data, "tasks": tuple(_task(one) for one in data["tasks"])})

    def data(self) -> dict[str, Any]:
        """As JSON, without what is as usual."""
        usual = asdict(Task("")) | {"name": None}
        tasks = [{k: v for k, v in asdict(one).items() if v != usual[k]} for one in self.tasks]
        return {**asdict(self), "tasks": tasks}


def _task(data: Mapping[str, Any]) -> Task:
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, (list, tuple))}
    fails = {int(index): tries for index, tries in data.get("fails", {}).items()}
    return Task(**{**data, **lists, "fails": fails})


def build(pipeline: Pipeline) -> DAG:
    """The DAG."""
    dag = DAG(
        pipeline.name,
        schedule=None,
        default_args={"retries": 0},
        tags=[f"not-repeatable:{one.name}" for one in pipeline.tasks if one.acts],
        fail_fast=pipeline.fail_fast,
        dagrun_timeout=TIMEOUT if pipeline.times_out else None,
    )
    made: dict[str, Any] = {}
    with dag:
        for one in pipeline.tasks:
            if one.group and one.name not in made:
                members = [task for task in pipeline.tasks if task.group == one.group]
                made.update(_mapped_group(one.group, members))
            elif not one.group:
                made[one.name] = _operator(one, pipeline, made)
        for one in pipeline.tasks:
            for name in one.upstream:
                made[name] >> made[one.name]
        for one in pipeline.tasks:
            if one.kind == "setup":
                made[one.name].as_setup()
            if one.kind == "teardown":
                made[one.name].as_teardown(
                    setups=[made[name] for name in one.setups], on_failure_fail_dagrun=one.fails_run
                )
    return dag


def dags(pipelines: Iterable[str]) -> dict[str, DAG]:
    """Of JSON texts, as the globals of a DAG file."""
    built = [build(Pipeline.of(json.loads(text))) for text in pipelines]
    return {dag.dag_id: dag for dag in built}


def _operator(one: Task, pipeline: Pipeline, made: Mapping[str, Any]) -> Any:
    lists_of = [task.copies for task in pipeline.tasks if task.over == one.name]
    script = {
        "fails": {str(index): tries for index, tries in one.fails.items()},
        "skips": list(one.skips),
        "hangs": one.hangs,
        "returns": [[number] for number in range(lists_of[0])] if lists_of else None,
    }
    common = {"task_id": one.name, "op_kwargs": {"script": script}}
    if one.kind == "branch":
        return BranchPythonOperator(python_callable=_work, **_returning(common, list(one.follow)))
    if one.kind == "short":
        return ShortCircuitOperator(
            python_callable=_work,
            ignore_downstream_trigger_rules=one.ignores_rules,
            **_returning(common, one.goes_on),
        )
    if one.kind != "teardown":  # a teardown brings its own rule
        common["trigger_rule"] = one.rule
    if one.over:
        return PythonOperator.partial(python_callable=_work, **common).expand(op_args=made[one.over].output)
    if one.copies and not one.group:
        values = [[number] for number in range(one.copies)]
        return PythonOperator.partial(python_callable=_work, **common).expand(op_args=values)
    return PythonOperator(python_callable=_work, **common)


def _returning(common: Mapping[str, Any], value: Any) -> dict[str, Any]:
    script = {**common["op_kwargs"]["script"], "returns": value}
    return {**common, "op_kwargs": {"script": script}}


def _mapped_group(name: str, members: list[Task]) -> dict[str, Any]:
    made: dict[str, Any] = {}

    @task_group(group_id=name, prefix_group_id=False)
    def group(number: int) -> None:
        for one in members:
            script = {
                "fails": {str(index): tries for index, tries in one.fails.items()},
                "skips": list(one.skips),
                "hangs": 0,
                "returns": None,
            }
            made[one.name] = PythonOperator(
                task_id=one.name,
                python_callable=_work,
                op_args=[number],
                op_kwargs={"script": script},
                trigger_rule=one.rule,
            )

    group.expand(number=list(range(members[0].copies)))
    return made


def _work(*_: Any, script: Mapping[str, Any]) -> Any:
    ti = get_current_context()["ti"]
    fails = {int(index): tries for index, tries in script["fails"].items()}
    if ti.try_number <= script["hangs"]:
        time.sleep(600)
    if ti.try_number <= fails.get(ti.map_index, 0):
        raise ConnectionError("upstream reset the connection")
    if ti.map_index in script["skips"]:
        raise AirflowSkipException("nothing to do")
    return script["returns"]
