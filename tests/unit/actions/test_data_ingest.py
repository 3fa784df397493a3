"""data.ingest, data.backfill and data.ingested: exactly the missing keys, never twice, and what refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from incident_response.actions.data_backfill import Backfill
from incident_response.actions.data_ingest import Ingest
from incident_response.actions.data_ingested import Ingested
from incident_response.actions.data_keys import filled, period, run_id
from incident_response.actions.data_run import Run
from incident_response.domain.actions import Finding, Planned, Scene
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, BadInput, Refused
from incident_response.domain.severities import Scenario
from incident_response.parameters.registry import MODELS
from tests.support.scenes import incident, scene, sighting
from tests.unit.actions.fake_ingestion import FakeIngestion, kit

KEYS = ("2026-03-10", "2026-03-12")


def found(*keys: str, **fields: Any) -> Mapping[str, Any]:
    return {"missing": list(keys), "count": len(keys), "every": "day", "zone": "UTC", **fields}


def asked(action: str = "data.ingest", missing: Any = None, done: Any = None, **fields: Any) -> Scene:
    parameters = MODELS[action].model_validate({"dag_id": "load", **fields})
    about = incident("t", Scenario.DATA_QUALITY)
    missing = found(*KEYS) if missing is None else missing
    return scene(about, parameters, (), found={"missing": missing}, done=done or {}, attempt=2)


@pytest.fixture
def airflow() -> FakeIngestion:
    return FakeIngestion()


class TestKeys:
    """Run ids and confs."""

    def test_a_run_id_is_what_airflow_takes_and_no_two_keys_share_one(self) -> None:
        """Its default pattern; a slash would be another path."""
        keys = ["2026-03-04", "2026-03-04T05:00Z", "SE/NO", "SE NO", "SE_NO", "SE..NO", "å"]
        ids = [run_id(42, 1, key) for key in keys]
        assert ids[:2] == ["incident-42-1-2026-03-04", "incident-42-1-2026-03-04T05:00Z"]
        assert len(set(ids)) == len(keys)
        assert all(re.fullmatch(r"[A-Za-z0-9_.~:+-]{1,250}", one) and ".." not in one for one in ids)

    def test_the_key_stands_wherever_the_conf_names_it(self) -> None:
        """In texts, lists and mappings; other values stay."""
        conf = {"date": "{key}", "range": ["{key}T00:00", {"to": "{key}"}], "force": True, "limit": 3}
        assert filled(conf, "x") == {
            "date": "x",
            "range": ["xT00:00", {"to": "x"}],
            "force": True,
            "limit": 3,
        }

    def test_a_period_is_of_its_zone(self) -> None:
        """The day of the change to summer time has 23 hours."""
        start, end = period("2026-03-29", "day", "Europe/Stockholm")
        assert (end.timestamp() - start.timestamp()) / 3600 == 23
        with pytest.raises(BadInput, match="is no date"):
            period("SE", None, "UTC")


class TestIngest:
    """One run for each key."""

    def test_each_key_has_one_line_in_the_plan_and_one_run(self, airflow: FakeIngestion) -> None:
        """By the attempt of the remediation: a second attempt has runs of its own."""
        action, here = Ingest(kit(airflow)), asked(conf={"day": "{key}"})
        plan = action.plan(here)
        assert airflow.posted == []
        assert [one.target for one in plan] == [f"run:load/incident-42-2-{key}" for key in KEYS]
        assert plan[0].text == (
            'Trigger load for 2026-03-10: run incident-42-2-2026-03-10, conf {"day": "2026-03-10"}'
        )
        for one in (*plan, *plan):
            assert action.apply(here, one).data["key"] in KEYS
            assert action.happened(here, one) is True
            assert action.undo(here, one, action.apply(here, one)) is None
        assert [run["conf"] for run in airflow.posted] == [{"day": key} for key in KEYS]
        assert {run["logical_date"] for run in airflow.posted} == {None}

    def test_a_run_that_came_in_between_is_done_already(self, airflow: FakeIngestion) -> None:
        """409 under the very run id; under another one it is somebody else's logical date."""
        action, here = Ingest(kit(airflow)), asked()
        (plan, _) = action.plan(here)

        def conflict(known: bool) -> FakeIngestion:
            airflow.works, airflow.answers = False, AirflowRefused("HTTP 409", status=409)
            if known:
                original, calls = airflow.get, []

                def get(path: str, params: Any = None) -> Any:
                    calls.append(path)
                    if len(calls) > 2:  # after the look before the act, and that at the DAG
                        airflow.runs[plan.data["run_id"]] = {"state": "queued"}
                    return original(path, params)

                airflow.get = get  # type: ignore[method-assign]
            return airflow

        with pytest.raises(Refused, match="has a run with the logical date"):
            Ingest(kit(conflict(False))).apply(here, plan)
        assert Ingest(kit(conflict(True))).apply(here, plan).text.endswith("had been triggered before")

    @pytest.mark.parametrize("works", [True, False])
    def test_a_lost_answer_is_looked_after(self, airflow: FakeIngestion, works: bool) -> None:
        """The run is there: done. It is not: certainly not done, and raised."""
        action, here = Ingest(kit(airflow)), asked()
        (plan, _) = action.plan(here)
        airflow.works, airflow.answers = works, AirflowUnavailable("POST: ReadTimeout")
        if works:
            assert action.apply(here, plan).text.endswith("is triggered")
        else:
            with pytest.raises(AirflowUnavailable):
                action.apply(here, plan)
        assert action.happened(here, plan) is works
        airflow.away = True
        assert action.happened(here, plan) is None

    @pytest.mark.parametrize(
        ("missing", "fields", "dag", "words"),
        [
            (found(*KEYS, count=200), {}, {}, "200 keys are missing and at most 10"),
            (found(*KEYS, count=8), {}, {}, "8 keys are missing, but 'missing' names 2"),
            ({}, {}, {}, "has not found what is missing"),
            (found(*KEYS), {"dag_id": ""}, {}, "no DAG is known"),
            (found(*KEYS), {"dag_id": "gone"}, {}, "knows no DAG gone"),
            (found(*KEYS), {}, {"is_paused": True}, "is paused.*airflow dags unpause load"),
            (found(*KEYS), {}, {"is_stale": True}, "no longer in the DAG folder"),
            (found(*KEYS), {}, {"has_import_errors": True}, "cannot be imported"),
            (found("SE", every=None), {"logical_date": True}, {}, "set `logical_date: false`"),
        ],
    )
    def test_what_must_not_be_done_is_refused_before_anything_is(
        self, airflow: FakeIngestion, missing: Any, fields: Any, dag: Any, words: str
    ) -> None:
        """With the remedy."""
        airflow.dags["load"].update(dag)
        with pytest.raises(Refused, match=words):
            Ingest(kit(airflow)).plan(asked(missing=missing, **fields))
        assert airflow.posted == []

    def test_the_dag_is_the_incident_s_when_none_is_named(self, airflow: FakeIngestion) -> None:
        """By the labels of its signals."""
        parameters = MODELS["data.ingest"].model_validate({})
        seen = [sighting("airflow_runs", alertname="AirflowTaskFailed", dag_id="load")]
        here = scene(incident("load"), parameters, seen, found={"missing": found(*KEYS)})
        assert [plan.data["dag_id"] for plan in Ingest(kit(airflow)).plan(here)] == ["load", "load"]

    def test_a_logical_date_is_the_begin_of_the_key_in_its_zone_and_shifted(
        self, airflow: FakeIngestion
    ) -> None:
        """Midnight in Stockholm, and the run of a day that ingests the day before."""
        missing = found("2026-03-10", zone="Europe/Stockholm")
        (plan,) = Ingest(kit(airflow)).plan(asked(missing=missing, logical_date=True, shift="1 day"))
        assert plan.data["logical_date"] == "2026-03-10T23:00:00+00:00"
        assert "logical date 2026-03-10 23:00 UTC" in plan.text

    def test_no_secret_of_a_conf_is_shown(self, airflow: FakeIngestion) -> None:
        """It is given to the run, not to people."""
        plan = Ingest(kit(airflow)).plan(asked(conf={"api_key": "hunter2"}))
        assert "hunter2" not in plan[0].text
        assert plan[0].data["conf"] == {"api_key": "hunter2"}

    def test_nothing_to_do(self, airflow: FakeIngestion) -> None:
        """An empty plan; the check has nothing to wait for."""
        assert Ingest(kit(airflow)).plan(asked(missing=found())) == []
        proof = Ingested(kit(airflow)).look(asked("data.ingested", missing=found()))
        assert proof.proven is True


class TestBackfill:
    """What the dry run says, and nothing else."""

    def test_a_date_that_is_not_missing_refuses_all(self, airflow: FakeIngestion) -> None:
        """It has no run that would be left alone."""
        airflow.dates = [f"2026-03-{day}T03:00:00Z" for day in (10, 11, 12)]
        with pytest.raises(Refused, match="would also run 2026-03-11, which are not missing"):
            Backfill(kit(airflow)).plan(asked("data.backfill"))

    def test_a_missing_date_that_has_a_run_is_left_out_and_named(self, airflow: FakeIngestion) -> None:
        """`reprocess: none` leaves it alone, so a backfill does not bring it back."""
        airflow.dates = ["2026-03-10T03:00:00Z"]
        (plan,) = Backfill(kit(airflow)).plan(asked("data.backfill"))
        assert plan.text == (
            "Backfill load for 1 logical dates: 2026-03-10T03:00Z; without 2026-03-12, by `reprocess: none`"
        )
        airflow.dates = []
        with pytest.raises(Refused, match="each missing date has a run already"):
            Backfill(kit(airflow)).plan(asked("data.backfill"))

    def test_a_dag_that_runs_each_hour_has_many_runs_for_a_day(self, airflow: FakeIngestion) -> None:
        """`most` counts runs, not keys."""
        airflow.dates = [f"{key}T{hour:02}:00:00Z" for key in KEYS for hour in range(24)]
        with pytest.raises(Refused, match="the 2 missing keys are 48 runs of load, and at most 31"):
            Backfill(kit(airflow)).plan(asked("data.backfill"))

    def test_a_run_of_the_next_day_ingests_the_key(self, airflow: FakeIngestion) -> None:
        """`shift`."""
        airflow.dates = ["2026-03-11T03:00:00Z", "2026-03-13T03:00:00Z"]
        (plan,) = Backfill(kit(airflow)).plan(asked("data.backfill", shift="1 day"))
        assert len(plan.data["dates"]) == 2

    def test_the_world_must_be_as_it_was_planned(self, airflow: FakeIngestion) -> None:
        """Somebody else has run one of the dates."""
        action, here = Backfill(kit(airflow)), asked("data.backfill")
        airflow.dates = [f"{key}T03:00:00Z" for key in KEYS]
        (plan,) = action.plan(here)
        airflow.dates.pop()
        with pytest.raises(Refused, match="would now run 1 dates, 2 were planned"):
            action.apply(here, plan)
        assert airflow.posted == []

    def test_it_is_started_once_and_another_one_s_is_not_taken_for_it(self, airflow: FakeIngestion) -> None:
        """Airflow runs one backfill of a DAG at a time; ours is known by the mark in its conf."""
        action, here = Backfill(kit(airflow)), asked("data.backfill", conf={"full": True})
        airflow.dates = [f"{key}T03:00:00Z" for key in KEYS]
        (plan,) = action.plan(here)
        airflow.backfills.append({"id": 7, "from_date": airflow.dates[0], "dag_run_conf": {}})
        airflow.works, airflow.answers = False, AirflowRefused("HTTP 409", status=409)
        assert action.happened(here, plan) is False
        with pytest.raises(Refused, match="another backfill of load is running"):
            action.apply(here, plan)
        airflow.works = True
        first, second = action.apply(here, plan), action.apply(here, plan)
        assert first.data == second.data
        (posted,) = airflow.posted
        assert posted["dag_run_conf"] == {"full": True, "incident_response": "incident-42-2"}
        assert (posted["reprocess_behavior"], posted["max_active_runs"]) == ("none", 1)


class TestIngested:
    """The very runs."""

    def look(self, airflow: FakeIngestion, states: Sequence[str | None], **fields: Any) -> Finding:
        action, here = Ingest(kit(airflow)), asked()
        plan: Sequence[Planned] = action.plan(here)
        done = {one.target: action.apply(here, one).data for one in plan}
        for one, state in zip(plan, states, strict=True):
            if state is None:
                del airflow.runs[one.data["run_id"]]
            else:
                airflow.runs[one.data["run_id"]]["state"] = state
        return Ingested(kit(airflow)).look(asked("data.ingested", done=done, **fields))

    @pytest.mark.parametrize(
        ("states", "proven", "words"),
        [
            (("success", "success"), True, "All 2 ingesting runs have ended well"),
            (
                ("success", "running"),
                None,
                "1 of 2 ingesting runs have ended well; load/incident-42-2-2026-03-12 is",
            ),
            (("queued", "queued"), None, "0 of 2"),
            (("success", "failed"), False, "incident-42-2-2026-03-12 is failed"),
            (("success", None), False, "incident-42-2-2026-03-12 is missing"),
        ],
    )
    def test_all_of_them(self, airflow: FakeIngestion, states: Any, proven: bool | None, words: str) -> None:
        """Not yet, proven, or never any more."""
        finding = self.look(airflow, states)
        assert finding.proven is proven
        assert words in finding.text

    def test_what_was_not_written_down_is_known_by_its_key(self, airflow: FakeIngestion) -> None:
        """The second run was triggered, then the worker died: it is looked at, too."""
        action, here = Ingest(kit(airflow)), asked()
        plan = action.plan(here)
        done = {one.target: action.apply(here, one).data for one in plan}
        done.popitem()
        airflow.runs[plan[0].data["run_id"]]["state"] = "success"
        assert Ingested(kit(airflow)).look(asked("data.ingested", done=done, dag_id="")).proven is None

    def test_nothing_was_started(self, airflow: FakeIngestion) -> None:
        """Neither found nor done: not proven."""
        finding = Ingested(kit(airflow)).look(asked("data.ingested", missing={}, dag_id=""))
        assert (finding.proven, finding.text) == (None, "No ingesting run was started yet")


class TestRun:
    """For DAGs that cannot be told what to ingest."""

    def run(self, missing: Any = None, *dags: str) -> Scene:
        parameters = MODELS["data.run"].model_validate({"dags": dags or ("load",)})
        about = incident("t", Scenario.DATA_QUALITY)
        return scene(about, parameters, (), found={"missing": missing or found(*KEYS)}, attempt=2)

    def test_each_dag_gets_one_run_without_conf_and_never_a_second(self, airflow: FakeIngestion) -> None:
        """Also when the answer is lost, and when it is applied again."""
        airflow.dags["other"] = {"dag_id": "other"}
        action, here = Run(kit(airflow)), self.run(None, "load", "other")
        plan = action.plan(here)
        assert [one.target for one in plan] == ["run:load/incident-42-2", "run:other/incident-42-2"]
        assert plan[0].text == "Trigger load once: run incident-42-2, which goes on from its own checkpoint"
        airflow.answers = AirflowUnavailable("the answer was lost")
        assert action.apply(here, plan[0]).text == "Run incident-42-2 of load is triggered"
        assert action.apply(here, plan[0]).text == "Run incident-42-2 of load had been triggered before"
        assert [(one["dag_run_id"], one["conf"], one["logical_date"]) for one in airflow.posted] == [
            ("incident-42-2", {}, None)
        ]
        assert action.happened(here, plan[0]) is True

    def test_a_run_at_work_is_not_joined_by_another(self, airflow: FakeIngestion) -> None:
        """Neither in the plan nor when it began between plan and act."""
        action, here = Run(kit(airflow)), self.run()
        (planned,) = action.plan(here)
        airflow.runs["scheduled__1"] = {"dag_run_id": "scheduled__1", "state": "running"}
        for refused in (lambda: action.plan(here), lambda: action.apply(here, planned)):
            with pytest.raises(Refused, match=r"load is at work \(scheduled__1\).*ingest the same again"):
                refused()
        assert airflow.posted == []

    def test_what_lies_before_the_checkpoint_is_for_a_person(self, airflow: FakeIngestion) -> None:
        """A run would be green and bring nothing back."""
        with pytest.raises(Refused, match="2026-03-10 lie before the checkpoint of load: no run of it"):
            Run(kit(airflow)).plan(self.run(found(*KEYS, unreachable=["2026-03-10"])))

    def test_its_runs_are_proven_like_others(self, airflow: FakeIngestion) -> None:
        """By the very run, not by another one."""
        action, here = Run(kit(airflow)), self.run()
        (planned,) = action.plan(here)
        done = {planned.target: action.apply(here, planned).data}
        airflow.runs["scheduled__2"] = {"dag_run_id": "scheduled__2", "state": "success"}
        assert Ingested(kit(airflow)).look(asked("data.ingested", done=done)).proven is None
        airflow.runs["incident-42-2"]["state"] = "success"
        assert Ingested(kit(airflow)).look(asked("data.ingested", done=done)).proven is True
