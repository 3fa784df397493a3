"""What a green run hides and what a failure cuts off, on a real Airflow: found, cleared, proven."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.actions.kit import Kit
from incident_response.airflow_api import AirflowApi
from incident_response.clients import airflow_states
from incident_response.detectors.again_runs import RunsAgain
from incident_response.domain.actions import Finding, Planned
from incident_response.domain.connections import Connection
from incident_response.domain.errors import Refused
from incident_response.domain.runbooks import RemediationState
from tests.conftest import AirflowPool
from tests.support import acting, scenes
from tests.support.acting import Step
from tests.support.airflow import Airflow
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site

pytestmark = [pytest.mark.integration, pytest.mark.calm]

DAGS = Path(__file__).parent / "dags"
RUN = "manual__2026-03-02T02:00:00+00:00"  # the characters that have to be quoted
BY_HAND = "by/hand 50%+1"  # no path reaches it
AT_ONCE = (
    "timed_out", "tolerant", "two_leaves", "stops_at_once", "staging", "untidy", "parts", "chosen",
    "wakes_others", "told_twice", "shrinks", "empty_handed",
)  # fmt: skip


@pytest.fixture(scope="module")
def airflow(airflow_pool: AirflowPool) -> Iterator[Airflow]:
    """All runs are under way when the first test begins."""
    files = [DAGS / "cut_off_pipelines.py", DAGS / "shrinking_pipeline.py"]
    config = {"scheduler.allowed_run_id_pattern": "^.*$"}
    airflow = airflow_pool.get(project=False, parallelism=8, dags=files, config=config, fresh=True)
    for dag_id in AT_ONCE:
        airflow.wait_dag(dag_id)
        airflow.trigger(dag_id, run_id=RUN)
    airflow.trigger("queues_up", run_id="first")
    airflow.trigger("tolerant", run_id=BY_HAND)
    yield airflow
    airflow_pool.stop()


@pytest.fixture(scope="module")
def api(airflow: Airflow) -> AirflowApi:
    """With the rights that the documentation asks for."""
    return AirflowApi(lambda: Connection(host=airflow.url, login="op", password="op"))


@pytest.fixture
def ground(airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """The shipped files, and this Airflow."""
    monkeypatch.setattr(bootstrap, "kill_variable", lambda: None)
    return Ground.new(
        tmp_path, {"incident_response_api": Connection(host=airflow.url, login="op", password="op")}
    )


@pytest.fixture
def kit(api: AirflowApi) -> Kit:
    return acting.kit(api)


class Response:
    """One attempt: look, clear, prove; what is handed from step to step is what a store would keep."""

    def __init__(self, kit: Kit, api: AirflowApi, dag_id: str, run_id: str = RUN, task: str = "") -> None:
        self.kit, self.api, self.dag_id, self.run_id = kit, api, dag_id, run_id
        labels = {"dag_id": dag_id, "run_id": run_id}
        name = "AirflowTaskFailed" if task else "AirflowDAGRunFailed"
        where = {"task_id": task, "map_index": "-1"} if task else {}
        self.signals = [scenes.sighting("airflow_runs", alertname=name, **labels, **where)]
        self.found: dict[str, Any] = {}

    def look(self) -> Finding:
        self.ended()
        finding = Step(self.kit, "airflow.look_at_runs", self.signals).look()
        self.found["diagnose"] = dict(finding.data)
        return finding

    def plan(self) -> Planned:
        [planned] = self._step("airflow.clear_failed").plan()
        return planned

    def clear(self, planned: Planned | None = None) -> Planned:
        planned = planned or self.plan()
        done = self._step("airflow.clear_failed").apply(planned)
        entry = {"target": planned.target, "text": planned.text, "data": dict(planned.data)}
        told = {planned.target: {"text": done.text, "data": dict(done.data)}}
        self.found["clear"] = {"plan": [entry], "done": told}
        return planned

    def proof(self) -> Finding:
        return self._step("airflow.runs_green").look()

    def repair(self) -> tuple[list[str], Finding]:
        """Look, clear, wait: what was cleared, and the proof."""
        self.look()
        planned = self.clear()
        assert self.proof().proven is None
        self.ended()
        return cleared_by(planned), self.proof()

    def ended(self) -> str:
        return str(wait_for(self._end, f"{self.dag_id} ends", 60))

    def states(self) -> dict[str, str]:
        run = airflow_states.find_run(self.api, self.dag_id, self.run_id)
        assert run is not None
        return {one.name: one.state for one in airflow_states.read_states(self.api, run)}

    def fires(self) -> bool:
        """Would the source still report it, asked once more?"""
        firing, gone = RunsAgain(self.api, 30).firing(self.signals)
        assert not gone
        return bool(firing)

    def _end(self) -> str | None:
        run = airflow_states.find_run(self.api, self.dag_id, self.run_id)
        return run["state"] if run is not None and run["state"] in ("success", "failed") else None

    def _step(self, action: str) -> Step:
        return Step(self.kit, action, self.signals).after(**self.found)


def cleared_by(planned: Planned) -> list[str]:
    return [row["task_id"] + (f"[{row['map_index']}]" if row["map_index"] >= 0 else "")
            for row in planned.data["instances"]]  # fmt: skip


def order(airflow: Airflow, dag_id: str, *tasks: str) -> list[str]:
    """These tasks as they ran, over all tries."""
    found = sorted((airflow.folder / "order" / dag_id / RUN).iterdir())
    names = [path.name.split("-", 1)[1] for path in found]
    return [name for name in names if name in tasks]


@pytest.mark.parametrize(
    ("dag_id", "failed", "cleared"),
    [
        ("tolerant", ["work"], ["work", "tidy"]),
        ("untidy", ["remove"], ["remove"]),
        ("parts", ["part[1]"], ["part[1]", "reduce"]),
        ("stops_at_once", ["extract"], ["extract", "load", "publish"]),
        ("timed_out", None, ["fails", "slow", "behind"]),
    ],
)
def test_what_a_green_run_hides_is_found_cleared_with_what_it_feeds_and_proven(
    airflow: Airflow, api: AirflowApi, kit: Kit, dag_id: str, failed: list[str] | None, cleared: Sequence[str]
) -> None:
    """A run that Airflow calls a success, before the repair and after: only the second one is."""
    response = Response(kit, api, dag_id)
    state = response.ended()
    assert state == ("failed" if dag_id == "timed_out" else "success")

    finding = response.look()
    assert "repaired" not in finding.causes
    assert response.proof().proven is False
    assert response.fires()
    if failed:
        [run] = finding.data["runs"]
        assert [f"{one['task_id']}{index(one)}" for one in run["failed"]] == failed

    names, proof = response.repair()

    assert sorted(names) == sorted(cleared)
    assert (proof.proven, proof.text) == (True, f"1 run green: {dag_id}/{RUN}"), proof.data
    assert set(response.states().values()) == {"success"}
    assert not response.fires()
    assert "repaired" in response.look().causes


def index(one: dict[str, Any]) -> str:
    return f"[{one['map_index']}]" if one["map_index"] >= 0 else ""


def test_the_run_is_not_repaired_when_only_another_leaf_turns_green(
    airflow: Airflow, api: AirflowApi, kit: Kit
) -> None:
    """The same failure again: the run is a success now, which it was not before."""
    response = Response(kit, api, "two_leaves")
    assert response.ended() == "failed"

    names, proof = response.repair()

    assert sorted(names) == ["other", "tidy", "work"]
    assert response.ended() == "success"
    assert proof.proven is False
    assert "work has failed again, in try 2" in proof.text
    assert response.fires()


def test_setup_work_and_teardown_run_again_in_this_order(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """The second try finds what the setup makes: not an empty staging area."""
    response = Response(kit, api, "staging")

    names, proof = response.repair()

    assert sorted(names) == ["copy", "empty", "fill"]
    assert proof.proven is True
    assert (airflow.folder / "target").read_text() == "1\n2\n3\n"
    tasks = ("fill", "copy", "empty")
    assert order(airflow, "staging", *tasks) == [*tasks, *tasks]


def test_skips_that_were_chosen_stay(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """A branch, a short circuit, a task that skipped itself: none of them was cut off, none is repeated."""
    response = Response(kit, api, "chosen")
    before = response.ended() and response.states()
    chosen = {name for name, state in before.items() if state == "skipped"}
    assert chosen == {"left_out", "shut", "shut_too", "not_today", "with_it"}

    names, proof = response.repair()

    assert sorted(names) == ["alarm", "join", "taken"]
    assert proof.proven is True, proof.data
    after = response.states()
    assert {name for name, state in after.items() if state == "skipped"} == {*chosen, "alarm"}
    assert order(airflow, "chosen", "not_today") == ["not_today"]
    assert not response.fires()


def test_what_is_expanded_over_nothing_is_not_cut_off(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    response = Response(kit, api, "empty_handed")

    names, proof = response.repair()

    assert names == ["work"]
    assert proof.proven is True, proof.data
    assert response.states() == {"work": "success", "files": "success", "each": "skipped", "all": "skipped"}


def test_a_task_that_was_removed_proves_nothing_and_is_named(
    airflow: Airflow, api: AirflowApi, kit: Kit
) -> None:
    """Its run is green, before and after; Airflow cannot repeat what is not there."""
    response = Response(kit, api, "shrinks", task="dropped")
    response.ended()
    response.look()
    planned = response.plan()
    path = airflow.folder / "dags" / "shrinking_pipeline.py"
    text = path.read_text().replace("def dropped", "def renamed").replace("dropped() >>", "renamed() >>")
    path.write_text(text)
    tasks = lambda: {row["task_id"] for row in api.get("/dags/shrinks/tasks")["tasks"]}  # noqa: E731
    wait_for(lambda: "renamed" in tasks(), "Airflow reads the file", 60)

    assert "dropped is not in the DAG any more" in response.proof().text or response.proof().proven is False
    finding = response.look()
    assert "not in the DAG any more: shrinks.dropped" in finding.text
    assert "repaired" not in finding.causes
    with pytest.raises(Refused, match=r"shrinks\.dropped: removed from the DAG or renamed"):
        response.plan()
    with pytest.raises(Refused, match=r"dropped"):
        response.clear(planned)
    assert response.proof().proven is False
    assert "dropped" in response.proof().text
    assert response.fires()


def test_a_cleared_run_that_waits_behind_others_waits(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """Not failed, and the text says for what."""
    response = Response(kit, api, "queues_up", "first")
    response.look()
    airflow.trigger("queues_up", run_id="holds")
    held = lambda: Response(kit, api, "queues_up", "holds").states().get("hold") == "running"  # noqa: E731
    wait_for(held, "the other run holds the only place", 60)

    response.clear()
    waits = "waits for its turn: 1 other run of its DAG, 1 may run at once (max_active_runs)"
    proof = response.proof()
    assert (proof.proven, waits in proof.text) == (None, True), proof.text
    (airflow.folder / "let_go").touch()
    response.ended()

    assert response.proof().proven is True


def test_a_run_that_no_path_reaches_is_repaired_too(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """Read by list, cleared by body; its log is said to be out of reach, not deleted."""
    response = Response(kit, api, "tolerant", BY_HAND)

    finding = response.look()
    assert "run_missing" not in finding.causes
    assert "no path of Airflow's REST API reaches" in finding.exhibits[0].content
    names, proof = response.repair()

    assert sorted(names) == ["tidy", "work"]
    assert proof.proven is True
    assert set(response.states().values()) == {"success"}
    assert not response.fires()


@pytest.mark.parametrize(
    ("dag_id", "asks"),
    [
        ("wakes_others", "wake would wake woken again"),
        ("told_twice", "tell is tagged not-repeatable"),
        ("tolerant", ""),
        ("staging", ""),
    ],
)
def test_a_follower_that_acts_on_others_asks_first(
    airflow: Airflow, api: AirflowApi, kit: Kit, dag_id: str, asks: str
) -> None:
    """And the plan says what will run, in which version of the DAG."""
    run_id = f"{RUN}-asks"
    airflow.trigger(dag_id, run_id=run_id)
    response = Response(kit, api, dag_id, run_id)
    response.look()

    planned = response.plan()

    assert planned.asks == asks
    assert re.search(r"runs in the DAG's file as it is now \(DAG version \d+\)", planned.parts[-1])
    names = {part.split(" (")[0] for part in planned.parts}
    assert set(cleared_by(planned)) < names
    assert dag_id != "wakes_others" or "wakes again: woken" in planned.parts


@pytest.mark.parametrize("approval", [None, True])
def test_the_shipped_runbook_waits_for_a_yes_where_its_plan_asks(
    airflow: Airflow, ground: Ground, approval: bool | None
) -> None:
    """It acts by itself otherwise. Without an answer nothing runs twice, and a person was paged."""
    run_id = f"asks-{approval}"
    airflow.trigger("told_twice", run_id=run_id)
    airflow.wait_run("told_twice", run_id)
    site = Site(ground)
    labels = {"dag_id": "told_twice", "run_id": run_id, "task_id": "work", "map_index": "-1"}
    number = site.alert("airflow_runs", "AirflowTaskFailed", "told_twice", **labels)

    end = site.walk(number, approval=approval)

    asked = "a person has to approve it: tell is tagged not-repeatable"
    assert asked in site.text(number)
    if approval:
        assert end.state is RemediationState.SUCCEEDED, site.text(number)
        assert len(site.effects(number)) == 1
    else:
        assert end.state is RemediationState.REFUSED
        assert (site.effects(number), site.incident(number).pages) == ([], 1)
