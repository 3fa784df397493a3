"""The smallest pipeline that still shows a fault of the same kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .campaign import attempt
from .dice import Dice
from .pipeline import Pipeline, Task

_NAMES = re.compile(r"\(.*?\)|\[.*?\]|\b[a-z]+\d\b|\bafter\b|: .*")


def shrunk(pipeline: Pipeline, dice: str, fault: str) -> tuple[Pipeline, str]:
    """And the fault that it shows. Takes away tasks, then what is odd about the others."""
    while True:
        for smaller in _smaller(pipeline):
            if said := _shows(smaller, dice, kind(fault)):
                pipeline, fault = smaller, said
                break
        else:
            return pipeline, fault


def kind(fault: str) -> str:
    """Without the names of tasks."""
    return _NAMES.sub("", fault)


def _shows(pipeline: Pipeline, dice: str, wanted: str) -> str:
    try:
        faults = attempt(pipeline, Dice(dice)).faults
    except Exception:  # noqa: BLE001  Airflow does not take everything for a DAG that is smaller than one
        return ""
    return next((fault for fault in faults if kind(fault) == wanted), "")


def _smaller(pipeline: Pipeline) -> Iterator[Pipeline]:
    for one in pipeline.tasks:
        yield replace(
            pipeline, tasks=tuple(_without(task, one) for task in pipeline.tasks if task is not one)
        )
    for field in ("fail_fast", "times_out"):
        if getattr(pipeline, field):
            yield replace(pipeline, **{field: False})
    for number, one in enumerate(pipeline.tasks):
        for plainer in _plainer(one):
            yield replace(pipeline, tasks=(*pipeline.tasks[:number], plainer, *pipeline.tasks[number + 1 :]))


def _without(task: Task, gone: Task) -> Task:
    return replace(
        task,
        upstream=tuple(name for name in task.upstream if name != gone.name),
        setups=tuple(name for name in task.setups if name != gone.name),
        follow=tuple(name for name in task.follow if name != gone.name),
        over="" if task.over == gone.name else task.over,
    )


def _plainer(one: Task) -> Iterator[Task]:
    usual = Task(one.name)
    for field in ("rule", "fails", "skips", "hangs", "fails_run", "over"):
        if getattr(one, field) != getattr(usual, field):
            yield replace(one, **{field: getattr(usual, field)})
    if one.kind in ("branch", "short"):
        yield replace(one, kind="work", follow=())
    if one.copies and not one.group:
        yield replace(
            one, copies=0, over="", fails={-1: max(one.fails.values())} if one.fails else {}, skips=()
        )
    if len(one.fails) > 1:
        yield replace(one, fails=dict(list(one.fails.items())[:1]))
    for name in one.upstream:
        yield replace(one, upstream=tuple(other for other in one.upstream if other != name))
