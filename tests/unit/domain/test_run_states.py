"""What of a run failed, was cut off by the failure, or was skipped on purpose."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.run_states import (
    Decision,
    Evidence,
    Graph,
    Standing,
    TaskNode,
    TaskState,
    standing,
)
from incident_response.domain.skips import Tally, skips_by_rule

T0 = datetime(2026, 3, 2, 2, 0, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def ran(task_id: str, state: str = "success", begin: float = 1, end: float = 2, **more: Any) -> TaskState:
    return TaskState(task_id, state=state, try_number=1, started_at=at(begin), ended_at=at(end), **more)


def set_by_airflow(task_id: str, state: str = "skipped", moment: float = 3, map_index: int = -1) -> TaskState:
    """As the scheduler, a branch or `fail_fast` sets it: one moment, no try."""
    return TaskState(task_id, map_index, state, 0, at(moment), at(moment))


def graph(*edges: tuple[str, str], mapped: str = "", **rules: str) -> Graph:
    names = dict.fromkeys(name for edge in edges for name in edge)
    below = {name: tuple(b for a, b in edges if a == name) for name in names}
    rule = "all_success"
    return Graph({n: TaskNode(n, rules.get(n, rule), below[n], is_mapped=n == mapped) for n in names})


def cut(found: Standing) -> list[str]:
    return [one.name for one in found.cut_off]


CHAIN = graph(("extract", "load"), ("load", "publish"))


class TestCutOff:
    def test_fail_fast_leaves_what_had_not_begun_skipped(self) -> None:
        """In a run that Airflow calls a success."""
        states = [ran("extract", "failed"), set_by_airflow("load"), set_by_airflow("publish")]

        found = standing("success", states, CHAIN)

        assert [one.name for one in found.hurt] == ["extract", "load", "publish"]

    def test_it_stays_cut_off_when_only_what_had_failed_was_cleared(self) -> None:
        states = [ran("extract"), set_by_airflow("load"), set_by_airflow("publish")]

        assert cut(standing("success", states, CHAIN)) == ["load", "publish"]

    @pytest.mark.parametrize(("run", "names"), [("failed", ["slow", "behind", "last"]), ("running", [])])
    def test_a_time_limit_leaves_no_end(self, run: str, names: list[str]) -> None:
        """Skipped where it worked; what had not begun has no state on 3.1. It is no loss in a run at work."""
        slow = TaskState("slow", state="skipped" if run == "failed" else "running", started_at=at(1))
        states = [slow, TaskState("behind"), TaskState("last", state="scheduled")]

        found = standing(run, states, graph(("slow", "behind"), ("behind", "last")))

        assert cut(found) == names
        assert len(found.unfinished) == (0 if names else 3)

    def test_upstream_failed_is_cut_off_also_in_a_green_run(self) -> None:
        states = [ran("extract", "failed"), set_by_airflow("load", "upstream_failed"), ran("publish")]

        assert cut(standing("success", states, CHAIN)) == ["load"]

    def test_one_that_was_cleared_and_then_cut_off_keeps_the_times_of_its_last_try(self) -> None:
        """They look like those of a task that skipped itself; only its tries tell."""
        states = [ran("extract"), ran("load", "skipped"), ran("publish", "skipped")]
        later = at(60)

        assert cut(standing("success", states, CHAIN, Evidence(), later)) == ["load", "publish"]
        known = Evidence(rewound=frozenset({("load", -1)}))
        assert cut(standing("success", states, CHAIN, known, later)) == ["load"]
        assert cut(standing("success", states, CHAIN, Evidence(rewound=frozenset()), later)) == []
        assert cut(standing("success", states, CHAIN)) == []

    def test_without_a_graph_every_skip_that_somebody_else_set_is_cut_off(self) -> None:
        assert cut(standing("success", [set_by_airflow("load")], Graph())) == ["load"]


class TestChosen:
    def test_what_a_branch_left_out_and_what_hangs_on_it_alone(self) -> None:
        """Not a task that it followed: that one was cut off."""
        edges = graph(
            ("decide", "left"), ("decide", "right"), ("right", "after_right"), ("left", "after_left")
        )
        states = [ran("decide"), *map(set_by_airflow, ("left", "right", "after_left", "after_right"))]
        decisions = {"decide": Decision(followed=frozenset({"left"}))}

        assert cut(standing("success", states, edges, Evidence(decisions))) == ["left", "after_left"]

    def test_what_a_short_circuit_shut(self) -> None:
        """All downstream, whatever their trigger rules."""
        edges = graph(("gate", "load"), ("load", "publish"), publish="all_done")
        decisions = {"gate": Decision(skipped=frozenset({"load", "publish"}))}
        states = [ran("gate"), set_by_airflow("load"), set_by_airflow("publish")]

        assert standing("success", states, edges, Evidence(decisions)) == Standing()

    def test_one_that_skipped_itself_and_what_follows(self) -> None:
        states = [ran("extract", "skipped"), set_by_airflow("load"), set_by_airflow("publish")]

        assert standing("success", states, CHAIN) == Standing()

    def test_an_alarm_that_had_no_reason_to_ring(self) -> None:
        """Before the failure is repaired nobody knows; then it is by design."""
        edges = graph(("work", "alarm"), alarm="one_failed")

        assert cut(standing("success", [ran("work", "failed"), set_by_airflow("alarm")], edges)) == ["alarm"]
        assert cut(standing("success", [ran("work"), set_by_airflow("alarm")], edges)) == []

    def test_within_a_mapped_group_an_index_hangs_on_its_own(self) -> None:
        """That all of them are skipped by one is believed when the audit log knows of no `fail_fast`."""
        edges = graph(("part", "store"))
        parts = [ran("part", map_index=0), ran("part", "skipped", map_index=1)]
        states = [*parts, set_by_airflow("store", map_index=0), set_by_airflow("store", map_index=1)]

        assert cut(standing("success", states, edges)) == ["store[0]"]
        assert cut(standing("success", states, edges, Evidence(stopped=frozenset()))) == []
        stopped = Evidence(stopped=frozenset({("store", 0)}))
        assert cut(standing("success", states, edges, stopped)) == ["store[0]"]

    def test_one_that_was_expanded_over_nothing(self) -> None:
        edges = graph(("files", "each"), ("each", "all"), mapped="each")
        states = [ran("files"), set_by_airflow("each"), set_by_airflow("all")]

        assert cut(standing("success", states, edges)) == ["each", "all"]
        assert cut(standing("success", states, edges, Evidence(stopped=frozenset()))) == []


@pytest.mark.parametrize(
    ("rule", "above", "skips"),
    [
        ("all_success", "sc", True),
        ("all_success", "ss", False),
        ("all_success", "co", True),
        ("none_failed_min_one_success", "cc", True),
        ("none_failed_min_one_success", "cs", False),
        ("none_failed_min_one_success", "co", False),
        ("one_success", "cc", True),
        ("one_success", "co", False),
        ("one_done", "cc", True),
        ("none_skipped", "cs", True),
        ("all_failed", "so", True),
        ("all_failed", "oo", False),
        ("one_failed", "sc", True),
        ("one_failed", "so", False),
        ("all_skipped", "sc", True),
        ("all_skipped", "cc", False),
        ("all_done_min_one_success", "cs", True),
        ("all_done_setup_success", "cc", True),
        ("all_done_setup_success", "cs", False),
        ("none_failed", "cc", False),
        ("all_done", "cc", False),
        ("always", "cc", False),
    ],
)
def test_trigger_rules_skip(rule: str, above: str, skips: bool) -> None:
    """`s` success, `c` skipped by choice, `o` anything that a repair may change."""
    tally = Tally(above.count("s"), above.count("c"), above.count("o"))

    assert skips_by_rule(rule, tally) is skips
