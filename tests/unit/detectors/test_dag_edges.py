"""Which DAG hangs on which, out of Airflow's graph and out of its assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from incident_response.detectors.dag_edges import edges
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable


class World:
    """Answers by path; what is missing is refused."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers, self.asked = answers, 0

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self.asked += 1
        answer = self.answers.get(path, AirflowRefused(f"GET {path}: HTTP 403", status=403))
        if isinstance(answer, Exception):
            raise answer
        if path == "/assets":
            assert params is not None
            page = answer[params["offset"] :][: params["limit"]]
            return {"assets": page, "total_entries": len(answer)}
        return answer

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        raise AssertionError(path)

    patch = post


def graph(*arrows: tuple[str, str]) -> World:
    found = [{"source_id": source, "target_id": target} for source, target in arrows]
    return World({"/ui/dependencies": {"nodes": [], "edges": found}})


def asset(number: int, producer: str, *consumers: str) -> dict[str, Any]:
    return {
        "id": number,
        "producing_tasks": [{"dag_id": producer, "task_id": "load"}],
        "scheduled_dags": [{"dag_id": consumer} for consumer in consumers],
    }


def test_what_lies_between_two_dags_is_left_out() -> None:
    """Assets, aliases, sensors: one edge each, however many nodes are between."""
    world = graph(
        ("dag:a", "asset-alias:x"),
        ("asset-alias:x", "asset:7"),
        ("asset:7", "dag:b"),
        ("dag:a", "sensor:a:c:wait"),
        ("sensor:a:c:wait", "dag:c"),
    )
    assert edges(world) == {("a", "b"), ("a", "c")}
    assert world.asked == 1


def test_who_starts_a_run_is_no_cause_of_its_failure() -> None:
    """Nor the other way round: the graph does not tell whether it waits for it."""
    assert edges(graph(("dag:b", "trigger:b:c:go"), ("trigger:b:c:go", "dag:c"))) == frozenset()


def test_loops_end() -> None:
    """A DAG that triggers itself, assets that lead to each other."""
    world = graph(
        ("dag:a", "trigger:a:a:again"),
        ("trigger:a:a:again", "dag:a"),
        ("dag:a", "asset:1"),
        ("asset:1", "asset:2"),
        ("asset:2", "asset:1"),
        ("asset:2", "dag:b"),
        ("dag:b", "asset:1"),
    )
    assert edges(world) == {("a", "b")}


def test_an_asset_that_nobody_makes_has_no_edge() -> None:
    """It comes from outside."""
    assert edges(graph(("asset:7", "dag:b"), ("dag:c", "asset:8"))) == frozenset()


def test_without_the_graph_assets_give_a_part() -> None:
    """The address of the graph is not promised to stay."""
    world = World({"/assets": [asset(n, f"p{n}", f"c{n}", f"p{n}") for n in range(150)]})
    assert edges(world) == {(f"p{n}", f"c{n}") for n in range(150)}
    assert world.asked == 3


def test_assets_are_read_up_to_a_bound() -> None:
    """Ten pages."""
    world = World({"/assets": [asset(n, f"p{n}", "c") for n in range(5000)]})
    assert len(edges(world)) == 1000


def test_an_airflow_that_is_away_is_no_empty_graph() -> None:
    """The caller keeps what it had."""
    with pytest.raises(AirflowUnavailable):
        edges(World({"/ui/dependencies": AirflowUnavailable()}))
    with pytest.raises(AirflowRefused):
        edges(World({}))
