"""Random pipelines: the same ones for the same seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from .pipeline import FOR_EVER, Pipeline, Task

_RULES = (
    "all_done", "all_done", "none_failed", "none_failed_min_one_success", "one_success", "one_failed",
    "one_done", "all_failed", "all_skipped", "none_skipped", "all_done_min_one_success", "always",
)  # fmt: skip


def draw(seed: int, number: int) -> Pipeline:
    """The pipeline of this number in a campaign."""
    dice = Random(f"{seed}/{number}")
    fail_fast = dice.random() < 0.08
    tasks = _graph(dice)
    if dice.random() < 0.4:
        tasks = _between(dice, tasks)
    if dice.random() < 0.15:
        tasks = _in_group(dice, tasks)
    if fail_fast:  # Airflow allows it no other rule
        tasks = [replace(one, rule="all_success") for one in tasks]
    times_out = not fail_fast and dice.random() < 0.08
    tasks = _failing(dice, tasks, times_out)
    return Pipeline(f"p{number}", tuple(tasks), fail_fast, times_out)


def _graph(dice: Random) -> list[Task]:
    """Each task hangs on some of those before it."""
    tasks: list[Task] = []
    for number in range(dice.randint(2, 7)):
        most = min(len(tasks), 3)
        upstream = dice.sample([one.name for one in tasks], dice.randint(min(1, most), most))
        if tasks and dice.random() < 0.1:
            upstream = []
        rule = "all_success" if not upstream or dice.random() < 0.6 else dice.choice(_RULES)
        one = Task(f"t{number}", tuple(sorted(upstream)), rule=rule)
        lists = [up for up in upstream if not tasks[int(up[1:])].copies and tasks[int(up[1:])].kind == "work"]
        if dice.random() < 0.15:
            one = replace(one, copies=dice.randint(1, 3))
        elif lists and dice.random() < 0.12 and not any(task.over in lists for task in tasks if task.over):
            one = replace(one, copies=dice.randint(1, 3), over=lists[0])
        elif dice.random() < 0.12:
            one = replace(one, kind=dice.choice(("branch", "short")))
        tasks.append(one)
    return [_deciding(dice, one, tasks) for one in tasks]


def _deciding(dice: Random, one: Task, tasks: list[Task]) -> Task:
    behind = [task.name for task in tasks if one.name in task.upstream]
    if one.kind == "branch" and not behind:
        return replace(one, kind="work")
    if one.kind == "branch":
        return replace(one, follow=tuple(sorted(dice.sample(behind, dice.randint(1, len(behind))))))
    if one.kind == "short":
        return replace(one, goes_on=dice.random() < 0.5, ignores_rules=dice.random() < 0.6)
    return one


def _between(dice: Random, tasks: list[Task]) -> list[Task]:
    """Some tasks between a setup and its teardown."""
    for number in range(dice.choice((1, 1, 1, 2))):
        inside = dice.sample(
            [one.name for one in tasks if one.kind not in ("setup", "teardown")], dice.randint(1, 2)
        )
        setup, teardown = f"s{number}", f"e{number}"
        tasks = [
            replace(one, upstream=tuple(sorted({*one.upstream, setup})), rule="all_success")
            if one.name in inside  # Airflow allows no other rule behind a setup
            else one
            for one in tasks
        ]
        end = Task(
            teardown,
            tuple(sorted(inside)),
            kind="teardown",
            setups=(setup,),
            fails_run=dice.random() < 0.25,
        )
        # A branch that did not follow its own teardown would skip it.
        tasks = [
            replace(one, follow=(*one.follow, teardown)) if one.name in inside and one.follow else one
            for one in tasks
        ]
        tasks = [Task(setup, kind="setup"), *tasks, end]
    return tasks


def _in_group(dice: Random, tasks: list[Task]) -> list[Task]:
    """Behind or beside the rest: a mapped group of two tasks, one after the other."""
    copies = dice.randint(2, 3)
    first = Task("g0", rule="all_success", copies=copies, group="group")
    second = replace(first, name="g1", upstream=("g0",))
    before = [one.name for one in tasks if one.kind == "work"]
    if before and dice.random() < 0.6:
        first = replace(first, upstream=(dice.choice(before),))
    after = Task("after", ("g1",), rule=dice.choice(("all_success", "all_done", "none_failed")))
    return [*tasks, first, second, *([after] if dice.random() < 0.6 else [])]


def _failing(dice: Random, tasks: list[Task], times_out: bool) -> list[Task]:
    """At least one; most of them fail once, some twice, some for ever."""
    number = dice.choice((1, 1, 1, 2, 2, 3))
    chosen = {one.name for one in dice.sample(tasks, min(number, len(tasks)))}
    if times_out:
        workers = [one.name for one in tasks if not one.copies and one.kind == "work"]
        hangs = dice.choice(workers) if workers else ""
        tasks = [replace(one, hangs=1) if one.name == hangs else one for one in tasks]
    result = []
    for one in tasks:
        if one.name in chosen and not one.hangs:
            indexes = dice.sample(one.indexes, dice.randint(1, len(one.indexes)))
            tries = dice.choice((1, 1, 1, 1, 1, 1, 2, FOR_EVER))
            one = replace(one, fails=dict.fromkeys(sorted(indexes), tries))
        elif dice.random() < 0.06 and one.kind == "work":
            one = replace(one, skips=(dice.choice(one.indexes),))
        if dice.random() < 0.03 and one.kind == "work":
            one = replace(one, acts=True)
        result.append(one)
    return result
