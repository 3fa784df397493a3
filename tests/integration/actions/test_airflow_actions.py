"""The airflow actions on a real Airflow, whose pipelines fail in all the ways that they repair."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from incident_response import bootstrap
from incident_response.actions.kit import Kit
from incident_response.airflow_api import AirflowApi
from incident_response.detectors.dag_edges import edges
from incident_response.domain.actions import Kind
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowRefused, Refused, StoppedByPerson
from incident_response.domain.records import Sighting
from incident_response.domain.runbooks import Remediation, RemediationState
from incident_response.domain.services import Service, ServiceMap
from incident_response.parameters.registry import MODELS
from tests.conftest import AirflowPool
from tests.support import acting, scenes
from tests.support.acting import Step
from tests.support.airflow import Airflow
from tests.support.traces import traces
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site

pytestmark = [pytest.mark.integration, pytest.mark.calm]

DAGS = Path(__file__).parent / "dags"
RUN = "manual__2026-03-02T02:00:00+00:00"  # the characters that have to be quoted
RECOVERY = "runbooks/dag-failure-recovery.yaml"
TRACED = ("broken_code", "chronic", "sleeper", "producer", "consumer", "waiter", "bystander")
LOGICAL = "2026-03-02T02:00:00Z"


@pytest.fixture(scope="module")
def airflow(airflow_pool: AirflowPool) -> Iterator[Airflow]:
    """All runs are under way when the first test begins."""
    files = [DAGS / "action_pipelines.py", DAGS / "short_lived_pipeline.py"]
    quick = {"scheduler.task_instance_heartbeat_timeout": "12"}
    airflow = airflow_pool.get(project=False, parallelism=6, dags=files, config=quick, fresh=True)
    for dag_id in ("short_lived", "chronic", "partly", "whole", "waiter", "zombie"):
        airflow.wait_dag(dag_id)
    for dag_id in ("zombie", "sleeper", "short_lived", "out_of_memory", "broken_code", "partly"):
        airflow.trigger(dag_id, run_id=RUN)
    airflow.trigger("sleeper", run_id=f"{RUN}-whole")
    dated = {"logical_date": LOGICAL, "dag_run_id": RUN}
    airflow.post("/api/v2/dags/whole/dagRuns", json=dated).raise_for_status()
    for number in (1, 2):
        airflow.trigger("chronic", run_id=f"{RUN}-{number}")
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
    login = Connection(host=airflow.url, login="op", password="op")
    return Ground.new(tmp_path, {"incident_response_api": login})


@pytest.fixture
def kit(api: AirflowApi) -> Kit:
    return acting.kit(api)


def failed(dag_id: str, run_id: str = RUN) -> Sighting:
    return scenes.sighting("airflow_runs", alertname="AirflowDAGRunFailed", dag_id=dag_id, run_id=run_id)


def diagnose(kit: Kit, *dag_ids: str, run_id: str = RUN, **parameters: Any) -> dict[str, Any]:
    """What a look found, as the next steps are given it."""
    signals = [failed(dag_id, run_id) for dag_id in dag_ids]
    return {"diagnose": dict(Step(kit, "airflow.look_at_runs", signals, **parameters).look().data)}


def times_run(airflow: Airflow, task: str) -> int:
    folder = airflow.folder / "tries" / task / RUN
    return len(list(folder.iterdir())) if folder.exists() else 0


def instances(api: AirflowApi, dag_id: str, run_id: str = RUN) -> dict[str, str]:
    rows = api.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances")["task_instances"]
    names = {True: "{task_id}", False: "{task_id}[{map_index}]"}
    return {names[row["map_index"] < 0].format(**row): row["state"] for row in rows}


def test_causes_are_found_in_real_logs(airflow: Airflow, kit: Kit) -> None:
    """An OSError with 504, a missing module, SIGKILL, 429: each in its log, and four DAGs at once."""
    troubled = ("partly", "broken_code", "out_of_memory", "whole")
    for dag_id in troubled:
        airflow.wait_run(dag_id, RUN, ["failed"])

    finding = Step(kit, "airflow.look_at_runs", [failed(dag_id) for dag_id in troubled]).look()

    causes = {run["dag_id"]: set(run["causes"]) for run in finding.data["runs"]}
    assert causes == {
        "partly": {"upstream_unavailable"},
        "broken_code": {"configuration"},
        "out_of_memory": {"out_of_memory"},
        "whole": {"upstream_throttled"},
    }
    assert set(finding.causes) == {cause for found in causes.values() for cause in found} | {"many_dags"}
    assert "SIGKILL" in finding.data["causes"]["out_of_memory"]
    assert "No module named 'a_module_that_is_not_there'" in finding.data["causes"]["configuration"]
    assert "many_dags" in finding.text
    [partly] = [run for run in finding.data["runs"] if run["dag_id"] == "partly"]
    assert {(one["task_id"], one["map_index"]) for one in partly["failed"]} == {
        ("country", 0),
        ("country", 2),
        ("publish", -1),
    }
    assert partly["changed"] == {"last good run": None}
    file = "partly.manual__2026-03-02T02_00_00_00_00.country[0]"
    exhibits = {one.name: one.content for one in finding.exhibits}
    assert "504 Gateway Timeout; password=***" in exhibits[f"{file}.try-1.log"]
    assert '"hostname"' in exhibits[f"{file}.tries.json"]


def test_exactly_the_failed_task_instances_are_cleared(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """Two of three mapped ones, and what waited for them; then the very same run is proven green."""
    airflow.wait_run("partly", RUN, ["failed"])
    found = diagnose(kit, "partly")
    step = Step(kit, "airflow.clear_failed").after(**found)
    green = Step(kit, "airflow.runs_green").after(**found)

    [planned] = step.plan()
    assert "country[0]" in planned.text
    assert "publish" in planned.text
    assert (green.look().proven, step.happened(planned)) == (False, False)

    done = step.apply(planned)
    assert sorted(done.data["cleared"]) == ["country[0]", "country[2]", "publish"]
    assert (green.look().proven, step.happened(planned)) == (None, True)
    assert "already" in step.apply(planned).text
    airflow.wait_run("partly", RUN)

    assert green.look().proven is True
    tasks = ("extract", "country-0", "country-1", "country-2", "publish")
    assert [times_run(airflow, f"partly.{task}") for task in tasks] == [1, 2, 1, 2, 1]
    assert step.plan() == []
    assert "repaired" in diagnose(kit, "partly")["diagnose"]["causes"]
    assert step.happened(planned) is True
    assert step.undo(planned, done) is None


def test_a_whole_run_of_a_logical_date_runs_again(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    airflow.wait_run("whole", RUN, ["failed"])
    seen = Step(kit, "airflow.rerun").after(**diagnose(kit, "whole"))
    dated = Step(kit, "airflow.rerun", dag_id="whole", logical_date=LOGICAL)

    [planned] = seen.plan()
    assert dated.plan() == [planned]
    assert dated.happened(planned) is False
    done = dated.apply(planned)
    assert sorted(done.data["cleared"]) == ["first", "second"]
    assert dated.happened(planned) is True
    assert "already" in dated.apply(planned).text
    airflow.wait_run("whole", RUN)

    assert [times_run(airflow, f"whole.{task}") for task in ("first", "second")] == [2, 2]
    assert dated.happened(planned) is True
    with pytest.raises(Refused, match="has no run of 2026-03-03"):
        Step(kit, "airflow.rerun", dag_id="whole", logical_date="2026-03-03T02:00:00Z").plan()


def test_a_stuck_task_is_marked_failed_and_then_cleared(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """It sleeps for ever; its process ends when Airflow hears that it has failed."""
    wait_for(lambda: instances(api, "sleeper").get("sleep") == "running", "sleep runs")
    wait_for(lambda: times_run(airflow, "sleeper.sleep"), "sleep sleeps")
    found = diagnose(kit, "sleeper", stuck_after="1 s")
    assert list(found["diagnose"]["causes"]) == ["stuck"]
    assert Step(kit, "airflow.mark_stuck_failed").after(**found).plan() == []
    with pytest.raises(Refused, match="is running"):
        Step(kit, "airflow.rerun").after(
            diagnose={"runs": [{**found["diagnose"]["runs"][0], "state": "failed"}]}
        ).plan()

    limits = {"older_than": "1 s", "silent_for": "0.5 s"}
    step = Step(kit, "airflow.mark_stuck_failed", **limits).after(**found)
    [planned] = wait_for(step.plan, "its log is silent")
    assert planned.target == f"task:sleeper/{RUN}/sleep"
    assert step.happened(planned) is False
    step.apply(planned)
    assert step.happened(planned) is True
    assert "already" in step.apply(planned).text
    airflow.wait_run("sleeper", RUN, ["failed"])

    clear = Step(kit, "airflow.clear_failed").after(**diagnose(kit, "sleeper"))
    [again] = clear.plan()
    clear.apply(again)
    airflow.wait_run("sleeper", RUN)
    assert times_run(airflow, "sleeper.sleep") == 2
    assert step.happened(planned) is None
    with pytest.raises(Refused, match="started anew"):
        step.apply(planned)


def test_a_stuck_run_is_marked_failed_and_runs_again(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """Airflow skips what had not begun: only a whole run makes up for it."""
    run_id = f"{RUN}-whole"
    wait_for(lambda: instances(api, "sleeper", run_id).get("sleep") == "running", "sleep runs")
    limits = {"older_than": "1 s", "silent_for": "0.5 s", "scope": "runs"}
    found = diagnose(kit, "sleeper", run_id=run_id)
    step = Step(kit, "airflow.mark_stuck_failed", **limits).after(**found)

    [planned] = wait_for(step.plan, "its log is silent")
    assert planned.target == f"run:sleeper/{run_id}"
    assert step.happened(planned) is False
    step.apply(planned)
    assert step.happened(planned) is True
    assert instances(api, "sleeper", run_id) == {"sleep": "failed", "wake": "skipped"}

    rerun = Step(kit, "airflow.rerun").after(**diagnose(kit, "sleeper", run_id=run_id))
    [again] = rerun.plan()
    rerun.apply(again)
    airflow.wait_run("sleeper", run_id)
    assert instances(api, "sleeper", run_id) == {"sleep": "success", "wake": "success"}


def test_a_zombie_is_found_and_cleared(airflow: Airflow, kit: Kit) -> None:
    """Its log says nothing: that its heartbeat was lost is in Airflow's audit log."""
    airflow.wait_run("zombie", RUN, ["failed"])
    found = diagnose(kit, "zombie")
    assert list(found["diagnose"]["causes"]) == ["zombie"]

    clear = Step(kit, "airflow.clear_failed").after(**found)
    [planned] = clear.plan()
    clear.apply(planned)

    airflow.wait_run("zombie", RUN)
    assert Step(kit, "airflow.runs_green").after(**found).look().proven is True


def test_a_dag_is_paused_with_its_consumers_and_restored(airflow: Airflow, api: AirflowApi) -> None:
    """Over an asset, a trigger and a sensor; the one that was paused before stays paused."""
    services = ServiceMap([Service("energy", depends_on=("producer",))], edges(api))
    api.patch("/dags/triggered", {"is_paused": True})

    def paused() -> dict[str, bool]:
        names = ("producer", "consumer", "triggered", "waiter", "bystander")
        return {name: api.get(f"/dags/{name}")["is_paused"] for name in names}

    before = paused()
    step = Step(acting.kit(api, services), "airflow.pause", [failed("producer")], consumers=True)

    plan = step.plan()
    assert [one.target for one in plan] == ["dag:producer", "dag:consumer", "dag:waiter"]
    done = [step.apply(one) for one in plan]
    assert paused() == {**before, "producer": True, "consumer": True, "waiter": True}
    assert [step.happened(one) for one in plan] == [True, True, True]
    assert step.plan() == []
    api.patch("/dags/waiter", {"is_paused": False})  # by a person
    assert step.apply(plan[0]).data == {"ours": False}

    undone = [step.undo(*pair) for pair in zip(plan, done, strict=True)]

    assert paused() == before == {**before, "triggered": True, "producer": False}
    assert [one.text for one in undone if one][2] == "DAG waiter is unpaused already"
    with pytest.raises(StoppedByPerson, match="paused the DAG triggered"):
        Step(acting.kit(api), "airflow.unpause", dags=["triggered"]).plan()

    pause = Step(acting.kit(api), "airflow.pause", dags=["bystander"])
    pause.apply(*pause.plan())
    unpause = Step(acting.kit(api), "airflow.unpause", dags=["bystander"])
    [planned] = unpause.plan()
    was = unpause.apply(planned)
    assert paused()["bystander"] is False
    unpause.undo(planned, was)
    assert paused()["bystander"] is True
    api.patch("/dags/bystander", {"is_paused": False})


@pytest.mark.parametrize("before", [None, "on", '{"source": "mirror", "n": [1, 2]}'])
def test_a_switch_is_set_and_put_back(api: AirflowApi, kit: Kit, before: str | None) -> None:
    """Deleted, when there was none."""
    path = "/variables/switch_ingestion"

    def value() -> str | None:
        try:
            return str(api.get(path)["value"])
        except AirflowRefused:
            return None

    if before is not None:
        api.post("/variables", {"key": "switch_ingestion", "value": before})
    step = Step(kit, "airflow.set_switch", name="switch_ingestion", value="off")

    [planned] = step.plan()
    assert step.happened(planned) is False
    done = step.apply(planned)
    assert (value(), step.happened(planned), step.plan()) == ("off", True, [])
    assert "already" in step.apply(planned).text
    step.undo(planned, done)

    assert value() == before
    assert step.happened(planned) is False
    if before is not None:
        api.patch("/variables", {"actions": [{"action": "delete", "entities": ["switch_ingestion"]}]})


def test_what_airflow_masks_is_no_switch(api: AirflowApi, kit: Kit) -> None:
    """Its value could not be put back; and nothing that looks like one is ever shown."""
    api.post("/variables", {"key": "switch_options", "value": '{"password": "hunter2", "n": 1}'})
    with pytest.raises(Refused, match="looks like a secret"):
        Step(kit, "airflow.set_switch", name="switch_options", value="off").plan()
    with pytest.raises(Refused, match="looks like a secret"):
        Step(kit, "airflow.set_switch", name="switch_api_token", value="hunter2").plan()


def test_a_chronic_index_is_quarantined_and_the_rest_goes_on(
    airflow: Airflow, api: AirflowApi, kit: Kit
) -> None:
    """It failed in two runs of two; once is no habit."""
    last = f"{RUN}-2"
    for number in (1, 2):
        airflow.wait_run("chronic", f"{RUN}-{number}", ["failed"])
    found = diagnose(kit, "chronic", run_id=last)
    assert Step(kit, "airflow.quarantine", runs=3).after(**found).plan() == []
    step = Step(kit, "airflow.quarantine", runs=2).after(**found)

    [planned] = step.plan()
    assert "region[2] success: it failed in 2 of the last 2 runs, the others are green" in planned.text
    assert step.happened(planned) is False
    done = step.apply(planned)
    assert step.happened(planned) is True
    airflow.wait_run("chronic", last)

    assert instances(api, "chronic", last) == {
        "dataset": "success", "region[0]": "success", "region[1]": "success", "region[2]": "success",
    }  # fmt: skip
    path = f"/dags/chronic/dagRuns/{quote(last, safe='')}/taskInstances/region"
    assert api.get(f"{path}/2")["note"].startswith("Quarantined by incident response, INC-42")
    assert api.get(f"{path}/1")["try_number"] == 1
    assert "already" in step.apply(planned).text
    step.undo(planned, done)
    airflow.wait_run("chronic", last, ["failed"])
    assert instances(api, "chronic", last) == {
        "dataset": "upstream_failed", "region[0]": "success", "region[1]": "success", "region[2]": "failed",
    }  # fmt: skip
    assert step.happened(planned) is None


def test_one_without_anything_downstream_lets_its_run_end_well(
    airflow: Airflow, api: AirflowApi, kit: Kit
) -> None:
    """Airflow itself would leave the run failed, with nothing failed in it."""
    first = f"{RUN}-1"
    airflow.wait_run("chronic", first, ["failed"])
    run = f"/dags/chronic/dagRuns/{quote(first, safe='')}"
    api.patch(f"{run}/taskInstances/dataset", {"new_state": "skipped"})  # nothing is left that waits
    found = diagnose(kit, "chronic", run_id=first)
    step = Step(kit, "airflow.quarantine", runs=2, state="skipped").after(**found)
    assert step.plan() == []  # the other one came later
    row = api.get(f"{run}/taskInstances/region/2")
    planned = acting.planned(
        f"task:chronic/{first}/region[2]",
        {"dag_id": "chronic", "run_id": first, "because": "failed", **{k: row[k] for k in _INSTANCE}},
    )

    step.apply(planned)

    airflow.wait_run("chronic", first)


_INSTANCE = ("task_id", "map_index", "try_number", "state")


def test_plans_leave_no_trace(airflow: Airflow, api: AirflowApi, kit: Kit) -> None:
    """All that change something are planned: Airflow's audit log, runs, tasks and switches stay as they are.

    What is done afterwards is in the same log, so it would have been seen.
    """
    for dag_id, run_id in (("broken_code", RUN), ("chronic", f"{RUN}-1"), ("chronic", f"{RUN}-2")):
        airflow.wait_run(dag_id, run_id, ["failed", "success"])
    frozen = f"{RUN}-planned"
    airflow.trigger("sleeper", run_id=frozen)
    wait_for(lambda: instances(api, "sleeper", frozen).get("sleep") == "running", "sleep runs")
    edged = acting.kit(api, ServiceMap([Service("energy", depends_on=("producer",))], edges(api)))
    broken, limits = diagnose(kit, "broken_code"), {"older_than": "1 s", "silent_for": "0.5 s"}
    stuck = Step(kit, "airflow.mark_stuck_failed", **limits).after(
        **diagnose(kit, "sleeper", run_id=frozen, stuck_after="1 s")
    )
    chronic = diagnose(kit, "chronic", run_id=f"{RUN}-2")
    wait_for(stuck.plan, "its log is silent")
    switch = Step(kit, "airflow.set_switch", name="switch_traces", value="off")
    steps = [
        stuck,
        switch,
        Step(kit, "airflow.clear_failed").after(**broken),
        Step(kit, "airflow.rerun").after(**broken),
        Step(kit, "airflow.pause", dags=["bystander"]),
        Step(kit, "airflow.unpause", dags=["bystander"]),
        Step(edged, "airflow.pause", [failed("producer")], consumers=True),
        Step(kit, "airflow.quarantine", runs=2).after(**chronic),
    ]
    ours = {name: model for name, model in MODELS.items() if name.startswith("airflow.")}
    assert {step.action for step in steps} == {n for n, model in ours.items() if model.kind is Kind.CHANGES}
    before = traces(api, "op", *TRACED)

    planned = [step.plan() for step in steps]

    assert traces(api, "op", *TRACED) == before
    assert sum(bool(plan) for plan in planned) >= 6
    done = switch.apply(planned[1][0])
    after = traces(api, "op", *TRACED)
    assert len(after["log"]) > len(before["log"])
    assert after["variables"] == {**before["variables"], "switch_traces": "off"}
    switch.undo(planned[1][0], done)
    stuck.apply(planned[0][0])


def test_a_dry_run_of_the_shipped_runbook_leaves_no_trace(
    airflow: Airflow, api: AirflowApi, ground: Ground
) -> None:
    """From the signal to the refusal: its plan is in the timeline, a person is paged, nothing has moved."""
    airflow.wait_run("out_of_memory", RUN, ["failed"])
    ground.edit(RECOVERY, mode="dry_run")
    site = Site(ground)
    before = traces(api, "op", "out_of_memory")
    number = recovery(site, "out_of_memory")

    end = site.walk(number)

    assert traces(api, "op", "out_of_memory") == before
    assert end.reason.startswith("dry run: "), site.text(number)
    assert "Plan: clear: Clear" in site.text(number), site.text(number)
    told(site, number, end)


def test_a_paused_or_deleted_dag_is_refused(
    airflow: Airflow, api: AirflowApi, kit: Kit, ground: Ground
) -> None:
    """Cleared tasks would wait for ever, and the run would never end."""
    airflow.wait_run("short_lived", RUN, ["failed"])
    found = diagnose(kit, "short_lived")
    clear = Step(kit, "airflow.clear_failed").after(**found)
    rerun = Step(kit, "airflow.rerun").after(**found)
    [planned], [whole] = clear.plan(), rerun.plan()
    api.patch("/dags/short_lived", {"is_paused": True})
    assert list(diagnose(kit, "short_lived")["diagnose"]["causes"]) == ["dag_paused"]
    for call in (clear.plan, rerun.plan, lambda: clear.apply(planned), lambda: rerun.apply(whole)):
        with pytest.raises(Refused, match="is paused: cleared tasks would wait for ever; unpause it"):
            call()
    api.patch("/dags/short_lived", {"is_paused": False})

    (airflow.folder / "dags" / "short_lived_pipeline.py").unlink()
    wait_for(lambda: api.get("/dags/short_lived")["is_stale"], "Airflow sees it", 30)

    assert "dag_missing" in diagnose(kit, "short_lived")["diagnose"]["causes"]
    unpause = Step(kit, "airflow.unpause", dags=["short_lived"])
    for call in (clear.plan, rerun.plan, lambda: clear.apply(planned), unpause.plan):
        with pytest.raises(Refused, match="put its file back"):
            call()
    assert instances(api, "short_lived") == {"fail": "failed"}
    site = Site(ground)
    before = traces(api, "op", "short_lived")
    number = recovery(site, "short_lived")
    told(site, number, site.walk(number), "put its file back")
    assert traces(api, "op", "short_lived") == before

    airflow.request("DELETE", "/api/v2/dags/short_lived").raise_for_status()
    site = Site(ground)
    before = traces(api, "op")
    number = recovery(site, "short_lived")
    told(site, number, site.walk(number), "does not exist in Airflow any more")
    assert traces(api, "op") == before
    assert "dag_missing" in diagnose(kit, "short_lived")["diagnose"]["causes"]
    with pytest.raises(Refused, match="does not exist in Airflow any more"):
        clear.plan()
    assert clear.happened(planned) is None
    assert Step(kit, "airflow.runs_green").after(**found).look().proven is False


def recovery(site: Site, dag_id: str) -> int:
    """An incident about its failed run."""
    labels = {"dag_id": dag_id, "run_id": RUN}
    return site.alert("airflow_runs", "AirflowDAGRunFailed", dag_id, **labels)


def told(site: Site, number: int, end: Remediation, reason: str = "") -> None:
    """Refused: a person was paged and reads why; nothing was changed."""
    assert end.state is RemediationState.REFUSED, site.text(number)
    assert reason in end.reason
    assert f"refused: {end.reason}" in site.text(number)
    assert (site.incident(number).pages, site.effects(number)) == (1, [])


def test_airflow_itself_is_well(kit: Kit) -> None:
    finding = Step(kit, "airflow.resources").look()

    assert finding.causes == ()
    assert finding.data["components"] == {}
    assert [pool["name"] for pool in finding.data["pools"]] == ["default_pool"]
    late = acting.kit(kit.airflow, now=datetime(2100, 1, 1, tzinfo=timezone.utc))
    finding = Step(late, "airflow.resources").look()
    assert finding.causes == ("airflow_unhealthy",)
    assert "scheduler without a sign of life" in finding.text


def test_nothing_that_was_said_holds_a_secret() -> None:
    """Runs last: all findings, plans, evidence and errors of the tests before."""
    assert Step.said
    assert "hunter2" not in "\n".join(Step.said)
