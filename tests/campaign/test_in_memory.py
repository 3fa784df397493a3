"""A small share of the campaign, the same one each time, on every change. `make campaign` runs all of it."""

from __future__ import annotations

import pytest

from . import rules
from .campaign import numbered
from .dice import Dice
from .judge import faults
from .pipeline import Pipeline, Task
from .repairing import Attempt, Place, Story
from .scheduler import Run

_SEED, _PIPELINES, _PARTS = 1, 200, 4


@pytest.mark.parametrize("part", range(_PARTS))
def test_random_pipelines_are_never_called_repaired_while_they_are_not(part: int) -> None:
    """Nor is anything repeated that does not stand in the plan; and what can be repaired, is."""
    outcomes = [numbered(_SEED, number) for number in range(part, _PIPELINES, _PARTS)]

    found = {outcome.pipeline.name: outcome.faults for outcome in outcomes if outcome.faults}
    assert not found
    assert sum(outcome.story.proven for outcome in outcomes) > len(outcomes) / 2


def hidden() -> Pipeline:
    """A green run whose work has failed."""
    return Pipeline("hidden", (Task("work", fails={-1: 1}), Task("tidy", ("work",), rule="all_done")))


def staged() -> Pipeline:
    """Work between a setup and its teardown."""
    end = Task("empty", ("copy",), kind="teardown", setups=("fill",))
    return Pipeline("staged", (Task("fill", kind="setup"), Task("copy", ("fill",), fails={-1: 1}), end))


def stopped() -> Pipeline:
    """What is behind the failure is skipped."""
    return Pipeline("stopped", (Task("work", fails={-1: 1}), Task("publish", ("work",))), fail_fast=True)


def repaired(pipeline: Pipeline, *cleared: str, planned: tuple[str, ...] = ()) -> list[str]:
    """The judge's word on a repair that clears these tasks and claims that all is well."""
    run = Run(pipeline, Dice(1)).execute()
    before = run.states()
    taken: list[set[Place]] = []
    if cleared:
        for one in run.task_instances:
            if one.task_id in cleared:
                one.state = None
        taken.append({(name, -1) for name in cleared})
        run.round = 1
        run.execute()
    plan = frozenset((name, -1) for name in planned or cleared)
    return faults(run, Story([Attempt(plan, proven=True)]), taken, before)


def test_the_judge_sees_through_a_green_run() -> None:
    assert repaired(hidden()) == ["proven while ('work', -1) is failed"]


def test_the_judge_sees_a_follower_that_kept_the_result_of_the_failure() -> None:
    assert repaired(hidden(), "work") == ["tidy[-1] has not run since work[-1] was repaired"]
    assert repaired(hidden(), "work", "tidy") == []


def test_the_judge_sees_work_without_its_setup_and_teardown() -> None:
    assert repaired(staged(), "copy") == [
        "('copy', -1) ran again without its setup fill",
        "('copy', -1) ran again without its teardown empty",
    ]
    assert repaired(staged(), "fill", "copy", "empty") == []


def test_the_judge_sees_what_the_failure_cut_off() -> None:
    assert repaired(stopped(), "work") == ["proven while ('publish', -1) is skipped, cut off by what failed"]
    assert repaired(stopped(), "work", "publish") == []


def test_the_judge_sees_what_was_repeated_outside_of_the_plan() -> None:
    assert repaired(hidden(), "work", "tidy", planned=("work",)) == [
        "cleared without standing in the plan: [('tidy', -1)]",
        "ran again after it had succeeded, without standing in the plan: [('tidy', -1)]",
    ]


def test_a_clear_takes_setup_and_teardown_by_airflows_own_code() -> None:
    run = Run(staged(), Dice(1)).execute()

    body = {"task_ids": ["copy"], "only_failed": False, "include_downstream": True, "dry_run": True}

    assert {one.task_id for one in run.clear(body)} == {"fill", "copy", "empty"}
    assert rules.scheduled(staged()).task_dict["empty"].is_teardown
