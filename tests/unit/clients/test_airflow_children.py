"""Which run a task has started: by whatever trace it has left, as the supported Airflows keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from incident_response.clients.airflow_children import Child, awaited_dag, child_of, may_start, may_wait
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable

TASK = "/dags/parent/dagRuns/r%201/taskInstances/start"
RUN = Child("child", "made+1")


class World:
    """Answers by path; everything else is not there."""

    def __init__(self, *runs: Child, pushed: str = "", link: str = "") -> None:
        self.answers: dict[str, Any] = {run.path: {"dag_run_id": run.run_id} for run in runs}
        if pushed:
            self.answers[f"{TASK}/xcomEntries/trigger_run_id"] = {"value": pushed}
        self.answers[f"{TASK}/links"] = {"extra_links": {"Triggered DAG": link or None}}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        if path not in self.answers:
            raise AirflowRefused(f"GET {path}: HTTP 404", status=404)
        return self.answers[path]

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        raise AssertionError(path)

    patch = post


def row(**fields: str) -> dict[str, Any]:
    where = {"dag_id": "parent", "dag_run_id": "r 1", "task_id": "start", "map_index": -1}
    return {**where, "rendered_fields": fields}


def link(run_id: str, dag_id: str = "child") -> str:
    return f"http://airflow.example.com/base/dags/{dag_id}/runs/{run_id}"


@pytest.mark.parametrize(
    ("world", "fields"),
    [
        (World(RUN, pushed="made+1", link=link("None")), {"trigger_dag_id": "child"}),  # 3.3
        (World(RUN, pushed="made+1", link=link("made+1")), {}),  # 3.1: no rendered fields
        (World(RUN, link=link("None")), {"trigger_dag_id": "child", "trigger_run_id": "made+1"}),  # pinned
        (World(RUN, link=link("made+1")), {}),  # 3.1, cleared since
        (World(RUN, link=link("made%2B1")), {}),
    ],
)
def test_the_run_is_found_by_each_of_its_traces(world: World, fields: dict[str, str]) -> None:
    """None of them is there always."""
    assert child_of(world, row(**fields)) == RUN


@pytest.mark.parametrize(
    "world", [World(link=link("made+1")), World(pushed="made+1", link=link("made+1")), World()]
)
def test_a_run_that_was_never_made_or_is_deleted_is_none(world: World) -> None:
    """The link of 3.1 names the run before it is there."""
    assert child_of(world, row(trigger_dag_id="child")) is None


def test_what_is_away_is_not_taken_for_nothing() -> None:
    """A task whose run exists must not be cleared because nobody answered."""
    world = World(RUN, pushed="made+1")

    def away(path: str, params: Any = None) -> Any:
        raise AirflowUnavailable

    world.get = away  # type: ignore[method-assign]
    with pytest.raises(AirflowUnavailable):
        child_of(world, row(trigger_dag_id="child"))


def test_a_run_that_nobody_may_read_is_not_taken_for_none() -> None:
    """Its task is not repeated; a site that hides XComs still has the link."""
    world = World(RUN, link=link("made+1"))
    hidden = {f"{TASK}/xcomEntries/trigger_run_id"}
    get = world.get

    def guarded(path: str, params: Any = None) -> Any:
        if path in hidden:
            raise AirflowRefused(f"GET {path}: HTTP 403", status=403)
        return get(path, params)

    world.get = guarded  # type: ignore[method-assign]
    assert child_of(world, row()) == RUN
    hidden.add(RUN.path)
    with pytest.raises(AirflowRefused):
        child_of(world, row())


def test_a_sensor_names_the_dag_that_it_waits_for() -> None:
    """By its fields, or by its link."""
    assert awaited_dag(World(), row(external_dag_id="other")) == "other"
    assert awaited_dag(World(link=link("r1", "other")), row()) == "other"
    assert awaited_dag(World(), row()) == ""


def test_operators_are_known_by_the_name_of_their_class() -> None:
    """Of the providers, and of what is called after them."""
    names = ("TriggerDagRunOperator", "SiteTriggerDagRun", "ExternalTaskSensor", "HttpSensor", "@task")
    assert [name for name in names if may_start(name)] == list(names[:2])
    assert [name for name in names if may_wait(name)] == list(names[:3])
