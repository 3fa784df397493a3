"""A run is repaired when what had failed in it ran again and is well."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.run_proof import Had, Repair, prove
from incident_response.domain.run_states import Graph, TaskNode, TaskState, standing

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=timezone.utc)
GRAPH = Graph({"work": TaskNode("work", downstream=("tidy",)), "tidy": TaskNode("tidy", "all_done")})
GONE = "was removed from the DAG or renamed, which proves nothing"
WORK = Had("work", ("work", -1), 1, failed=True)


def task(task_id: str, state: str, try_number: int = 1, minute: float = 0) -> TaskState:
    begin = T0 + timedelta(minutes=minute)
    return TaskState(task_id, -1, state, try_number, begin, begin + timedelta(seconds=9))


def proven(run: str, *states: TaskState, graph: Graph = GRAPH, **more: Any) -> tuple[bool | None, str]:
    repair = Repair(**{"had": [WORK], **more})
    proof = prove(run, states, standing(run, states, graph), repair, graph)
    return proof.proven, "; ".join(proof.wrong)


def test_a_second_try_that_is_green_proves_it() -> None:
    assert proven("success", task("work", "success", 2), task("tidy", "success", 2)) == (True, "")


@pytest.mark.parametrize(
    ("run", "work", "answer"),
    [
        ("success", task("work", "failed"), "work is still failed, in try 1: it did not run again"),
        ("success", task("work", "failed", 2), "work has failed again, in try 2"),
        ("running", task("work", "failed", 2), "work has failed again, in try 2"),
        ("success", task("work", "success"), "work was marked success, but did not run again"),
        ("success", task("work", "skipped", 2), "work was skipped this time, so its work is not done"),
        (
            "success",
            task("work", "removed"),
            f"work {GONE}",
        ),
    ],
)
def test_a_green_run_proves_nothing(run: str, work: TaskState, answer: str) -> None:
    """Nor does one that works prove that there is hope."""
    assert proven(run, work, task("tidy", "success", 2)) == (False, answer)


@pytest.mark.parametrize("run", ["queued", "running"])
def test_what_works_or_waits_is_not_known_yet(run: str) -> None:
    """Also while something stands there as it did before."""
    assert proven(run, task("work", "none"), task("tidy", "none"))[0] is None
    assert proven(run, task("work", "failed"), task("tidy", "upstream_failed"))[0] is None


def test_a_new_failure_counts_in_a_run_that_has_ended() -> None:
    states = task("work", "success", 2), task("tidy", "failed", 2)

    assert proven("success", *states) == (False, "tidy has failed in try 2")
    assert proven("running", *states)[0] is None


def test_a_run_may_fail_without_a_failed_task() -> None:
    states = task("work", "success", 2), task("tidy", "success", 2)

    assert proven("failed", *states) == (False, "the run is failed, though none of its tasks is")


def test_one_that_was_marked_on_purpose_needs_no_run() -> None:
    """By a step of the same attempt: a quarantine."""
    states = task("work", "success"), task("tidy", "success", 2)

    assert proven("success", *states, marked={("work", -1)})[0] is True


def test_a_start_after_the_repair_is_a_run_too() -> None:
    states = task("work", "success", minute=10), task("tidy", "success", 2)

    assert proven("success", *states, acted_at=T0 + timedelta(minutes=5))[0] is True


def test_a_skip_that_airflow_decided_anew_was_chosen() -> None:
    """It was cleared, and the run ended well without a failure: nothing was cut off in it."""
    graph = Graph({"work": TaskNode("work"), "load": TaskNode("load")})
    states = task("work", "success", 2), TaskState("load", -1, "skipped", 0, T0, T0)

    assert proven("success", *states, graph=graph) == (
        False,
        "load is still skipped: the failure cut it off",
    )
    assert proven("success", *states, graph=graph, cleared={("load", -1)})[0] is True


def test_what_is_not_in_the_dag_any_more_is_named() -> None:
    graph = Graph({"tidy": TaskNode("tidy")})

    assert proven("success", task("work", "failed"), task("tidy", "success", 2), graph=graph) == (
        False,
        f"work {GONE}",
    )
    assert proven("success", task("tidy", "success"), had=[], removed=["work"]) == (
        False,
        "work is not in the DAG any more, which proves nothing",
    )


def test_of_more_failures_than_were_kept_as_many_have_to_run_again() -> None:
    states = task("work", "success", 2, minute=9), task("tidy", "success", 2, minute=9)
    failed_at = T0 + timedelta(minutes=1)

    assert proven("success", *states, uncounted=1, failed_at=failed_at)[0] is True
    assert proven("success", *states, uncounted=2, failed_at=failed_at) == (
        False,
        "only 2 task instances ran since, though more had failed",
    )
