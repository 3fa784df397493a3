"""The airflow actions where the world changes between plan and act, answers get lost, or limits are met."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.actions.kit import Kit
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, Refused
from incident_response.domain.records import Sighting
from incident_response.domain.services import ServiceMap
from incident_response.parameters import airflow_steps as models
from tests.support import acting, scenes
from tests.support.acting import Step

from .fake_airflow import FakeAirflow

RUN = "scheduled__2026-03-02T02:00:00+00:00"
NOW = datetime(2026, 3, 2, 2, 10, tzinfo=timezone.utc)  # ten minutes after the run began


@pytest.fixture
def airflow() -> FakeAirflow:
    airflow = FakeAirflow()
    airflow.run(
        "load", RUN, "failed", extract="success", load__0="failed", load__1="success", after="upstream_failed"
    )
    return airflow


def kit(airflow: FakeAirflow, services: ServiceMap | None = None) -> Kit:
    return acting.kit(airflow, services, NOW)


def failed(dag_id: str = "load", run_id: str = RUN, name: str = "AirflowDAGRunFailed") -> Sighting:
    return scenes.sighting("airflow_runs", alertname=name, dag_id=dag_id, run_id=run_id)


def look(airflow: FakeAirflow, *signals: Sighting, **parameters: Any) -> Mapping[str, Any]:
    return Step(kit(airflow), "airflow.look_at_runs", signals or [failed()], **parameters).look().data


def step(airflow: FakeAirflow, action: str, *signals: Sighting, **parameters: Any) -> Step:
    """After a look at the same runs."""
    found = look(airflow, *signals)
    airflow.calls.clear()
    return Step(kit(airflow), action, signals, **parameters).after(diagnose=found)


class TestLook:
    def test_each_run_has_its_state_its_failed_instances_and_what_has_changed(
        self, airflow: FakeAirflow
    ) -> None:
        airflow.logs["load"] = [{"event": "OSError: upstream answered 504", "level": "error"}]
        airflow.run("load", "before", "success")
        airflow.runs["load", "before"].update(
            run_after="2026-03-01T02:00:00Z", dag_versions=[{"version_number": 2}], conf={"country": "SE"}
        )

        [run] = look(airflow)["runs"]

        assert run["failed_total"] == 2
        assert [(one["task_id"], one["map_index"], one["try_number"]) for one in run["failed"]] == [
            ("load", 0, 1),
            ("after", -1, 1),
        ]
        assert run["failed_at"] == "2026-03-02T02:00:20+00:00"
        assert run["causes"] == {
            "upstream_unavailable": "load.load[0]: OSError: upstream answered 504",
        }
        assert run["changed"] == {
            "last good run": "before", "last good run ended": "2026-03-02T02:00:30Z",
            "duration": [30.0, 30.0], "DAG version": [2, 3], "conf keys": [["country"], []],
        }  # fmt: skip

    def test_many_dags_are_a_cause_of_their_own(self, airflow: FakeAirflow) -> None:
        for dag_id in ("a", "b"):
            airflow.run(dag_id, RUN, "failed", task="failed")
        signals = [failed(dag_id) for dag_id in ("a", "b", "load")]

        assert look(airflow, *signals)["causes"] == {"many_dags": "3 DAGs fail: a, b, load"}
        assert look(airflow, *signals, many=4)["causes"] == {}

    def test_runs_that_are_failed_no_more_are_repaired(self, airflow: FakeAirflow) -> None:
        """By whomever; also when they still run."""
        airflow.run("load", RUN, "running", load="running")

        assert list(look(airflow)["causes"]) == ["repaired"]

    @pytest.mark.parametrize(("after", "causes"), [("9 min", ["stuck"]), ("11 min", ["repaired"])])
    def test_a_run_that_takes_too_long_is_stuck(
        self, airflow: FakeAirflow, after: str, causes: list[str]
    ) -> None:
        airflow.run("load", RUN, "running", load="running")

        assert list(look(airflow, stuck_after=after)["causes"]) == causes
        assert list(look(airflow, failed(name="AirflowRunStuck"))["causes"]) == ["stuck"]

    def test_what_is_gone_is_named(self, airflow: FakeAirflow) -> None:
        """A run, a DAG, a DAG whose file is broken."""
        airflow.run("broken", RUN, "failed", task="failed")
        airflow.dags["broken"].update(is_stale=True, has_import_errors=True)

        assert list(look(airflow, failed(run_id="gone"))["causes"]) == ["run_missing"]
        assert list(look(airflow, failed("nobody"))["causes"]) == ["dag_missing"]
        assert list(look(airflow, failed("broken"))["causes"]) == ["dag_missing", "code"]

    def test_the_audit_log_tells_of_zombies_of_this_try(self, airflow: FakeAirflow) -> None:
        row = {"event": "heartbeat timeout", "run_id": RUN, "task_id": "load", "map_index": 0}
        airflow.other["eventLogs"] = {"event_logs": [{**row, "try_number": 0}]}
        assert look(airflow)["causes"] == {}

        airflow.other["eventLogs"] = {"event_logs": [{**row, "try_number": 1}]}
        assert list(look(airflow)["causes"]) == ["zombie"]

    def test_no_more_is_read_and_kept_than_asked_for(self, airflow: FakeAirflow) -> None:
        """Thousands of failed instances, of hundreds of runs."""
        for number in range(60):
            airflow.run("wide", f"r{number}", "failed", **{f"t__{i}": "failed" for i in range(60)})
        signals = [failed("wide", f"r{number}") for number in range(60)]
        finding = Step(kit(airflow), "airflow.look_at_runs", signals, runs=2, tasks=1).look()

        assert (len(finding.data["runs"]), finding.data["runs_left_out"]) == (50, 10)
        assert {(len(run["failed"]), run["failed_total"]) for run in finding.data["runs"]} == {(50, 60)}
        assert len(finding.exhibits) == 2
        green = Step(kit(airflow), "airflow.runs_green").after(diagnose=finding.data).look()
        assert (green.proven, green.text) == (
            False,
            "10 more runs were named than were looked at; look at them",
        )

    def test_without_a_named_run_there_is_nothing_to_look_at(self, airflow: FakeAirflow) -> None:
        finding = Step(kit(airflow), "airflow.look_at_runs", [scenes.sighting("loki", service="api")]).look()

        assert finding.data["runs"] == []
        assert "names a DAG run" in finding.text


class TestClear:
    def test_what_waits_in_vain_by_now_is_cleared_with_it(self, airflow: FakeAirflow) -> None:
        """The scheduler marked it after the plan; it would fail the run again."""
        airflow.edges = [("load", "after")]
        airflow.runs["load", RUN]["state"] = "running"
        airflow.instance("load", RUN, "after").update(state=None, try_number=0)
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        assert [one["task_id"] for one in planned.data["instances"]] == ["load", "after"]
        airflow.instance("load", RUN, "after")["state"] = "upstream_failed"

        clear.apply(planned)

        [call] = airflow.calls
        assert [*call["task_ids"]] == [("load", 0), "after"]

    def test_one_that_has_failed_anew_since_the_plan_is_left_alone(self, airflow: FakeAirflow) -> None:
        """Somebody has cleared it, and it was of no use: that is for a new look."""
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        for task in (("load", 0), ("after", -1)):
            airflow.instance("load", RUN, *task)["try_number"] = 2

        assert clear.happened(planned) is True
        assert "nothing was left to clear" in clear.apply(planned).text
        assert airflow.calls == []

    def test_a_lost_answer_is_found_done(self, airflow: FakeAirflow) -> None:
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        assert clear.happened(planned) is False
        airflow.break_after = "clearTaskInstances"

        with pytest.raises(AirflowUnavailable):
            clear.apply(planned)

        assert clear.happened(planned) is True
        clear.apply(planned)
        assert len(airflow.calls) == 1

    def test_the_limit_is_for_people(self, airflow: FakeAirflow) -> None:
        with pytest.raises(Refused, match="has 2 task instances to clear, more than 1"):
            step(airflow, "airflow.clear_failed", most=1).plan()

    def test_green_runs_are_not_touched(self, airflow: FakeAirflow) -> None:
        airflow.run("load", RUN, "success", load="success")

        assert step(airflow, "airflow.clear_failed").plan() == []
        assert step(airflow, "airflow.rerun").plan() == []

    def test_a_deleted_run_is_refused_and_nobody_knows_whether_it_was_cleared(
        self, airflow: FakeAirflow
    ) -> None:
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        del airflow.runs["load", RUN]

        assert clear.happened(planned) is None
        for call in (clear.plan, lambda: clear.apply(planned)):
            with pytest.raises(Refused, match="it was deleted; trigger its DAG for that date anew"):
                call()

    def test_without_a_look_nothing_is_done(self, airflow: FakeAirflow) -> None:
        with pytest.raises(Refused, match="No step 'diagnose' has looked at runs"):
            Step(kit(airflow), "airflow.clear_failed").plan()


class TestRerun:
    def test_a_lost_answer_is_found_done(self, airflow: FakeAirflow) -> None:
        rerun = step(airflow, "airflow.rerun")
        [planned] = rerun.plan()
        assert planned.text == f"Run all of load/{RUN} again: 4 task instances"
        assert rerun.happened(planned) is False
        airflow.break_after = "clearTaskInstances"

        with pytest.raises(AirflowUnavailable):
            rerun.apply(planned)

        assert rerun.happened(planned) is True
        airflow.runs["load", RUN].update(state="failed", end_date="2026-03-02T03:00:00Z")
        assert rerun.happened(planned) is True
        rerun.apply(planned)
        assert len(airflow.calls) == 1

    def test_date_and_dag_belong_together(self) -> None:
        with pytest.raises(ValidationError, match="belong together"):
            models.Rerun(dag_id="load")


class TestStuck:
    @pytest.fixture
    def running(self) -> FakeAirflow:
        airflow = FakeAirflow()
        airflow.run("load", RUN, "running", a="running", b="running", c="success", d="deferred")
        return airflow

    def test_only_what_is_old_and_silent_is_marked(self, running: FakeAirflow) -> None:
        """`b` has spoken two minutes ago; the log of `a` cannot be read, because its worker is away."""
        running.logs["b"] = [{"event": "page 7", "timestamp": "2026-03-02T02:08:00Z"}]
        old = {"older_than": "9 min", "silent_for": "3 min"}

        [planned] = step(running, "airflow.mark_stuck_failed", **old).plan()

        assert planned.text == f"Mark load/{RUN}/a failed: running for 10 min, silent for 10 min"
        assert step(running, "airflow.mark_stuck_failed").plan() == []
        assert step(running, "airflow.mark_stuck_failed", **old, scope="runs").plan() == []

    def test_one_that_works_again_is_left_alone(self, running: FakeAirflow) -> None:
        marking = step(running, "airflow.mark_stuck_failed", older_than="1 min", silent_for="3 min")
        first, _ = marking.plan()
        running.logs["a"] = [{"event": "page 8", "timestamp": "2026-03-02T02:09:30Z"}]

        with pytest.raises(Refused, match="works again"):
            marking.apply(first)
        assert running.calls == []

    def test_a_lost_answer_is_found_done(self, running: FakeAirflow) -> None:
        marking = step(running, "airflow.mark_stuck_failed", older_than="1 min")
        first, _ = marking.plan()
        running.break_after = "taskInstances/a"

        with pytest.raises(AirflowUnavailable):
            marking.apply(first)

        assert marking.happened(first) is True
        marking.apply(first)
        assert len(running.calls) == 1
        running.instance("load", RUN, "a").update(state="running", start_date="2026-03-02T02:09:50Z")
        assert marking.happened(first) is None
        with pytest.raises(Refused, match="started anew"):
            marking.apply(first)

    def test_a_whole_run_is_one_thing(self, running: FakeAirflow) -> None:
        marking = step(running, "airflow.mark_stuck_failed", older_than="1 min", scope="runs")
        [planned] = marking.plan()

        marking.apply(planned)

        assert running.calls == [{"state": "failed", "note": "Marked failed by incident response, INC-42"}]
        assert marking.happened(planned) is True

    def test_many_at_once_are_airflows_own_trouble(self, running: FakeAirflow) -> None:
        with pytest.raises(Refused, match="2 are stuck at once, more than 1"):
            step(running, "airflow.mark_stuck_failed", older_than="1 min", most=1).plan()

    def test_a_dag_without_its_file_is_refused(self, running: FakeAirflow) -> None:
        marking = step(running, "airflow.mark_stuck_failed", older_than="1 min")
        running.dags["load"]["is_stale"] = True

        with pytest.raises(Refused, match="put its file back"):
            marking.plan()


class TestPause:
    SERVICES = ServiceMap(edges=[("load", "after"), ("load", "a database"), ("after", "last")])

    def test_downstream_of_it_only_dags_are_paused(self, airflow: FakeAirflow) -> None:
        """The map knows containers and databases, too; Airflow knows which are DAGs."""
        airflow.run("after", RUN, "success")
        airflow.run("last", RUN, "success")
        airflow.dags["last"]["is_paused"] = True
        pause = Step(kit(airflow, self.SERVICES), "airflow.pause", [failed()], consumers=True)

        assert [(one.target, one.data["was_paused"]) for one in pause.plan()] == [
            ("dag:load", False),
            ("dag:after", False),
        ]
        assert [one.target for one in Step(kit(airflow), "airflow.pause", [failed()]).plan()] == ["dag:load"]

    def test_one_that_somebody_else_paused_stays_so(self, airflow: FakeAirflow) -> None:
        """Between plan and act."""
        pause = Step(kit(airflow), "airflow.pause", [failed()])
        [planned] = pause.plan()
        airflow.dags["load"]["is_paused"] = True

        done = pause.apply(planned)
        undone = pause.undo(planned, done)

        assert airflow.calls == []
        assert undone is not None
        assert "stays paused" in undone.text

    def test_a_lost_answer_is_found_done_and_restored(self, airflow: FakeAirflow) -> None:
        pause = Step(kit(airflow), "airflow.pause", [failed()])
        [planned] = pause.plan()
        airflow.break_after = "/load"
        with pytest.raises(AirflowUnavailable):
            pause.apply(planned)
        assert pause.happened(planned) is True

        pause.undo(planned, acting.done({}))  # nobody has written down what was done

        assert airflow.dags["load"]["is_paused"] is False

    def test_too_many_and_none_at_all_are_refused(self, airflow: FakeAirflow) -> None:
        airflow.run("other", RUN, "failed")
        with pytest.raises(Refused, match="2 DAGs are meant, more than 1: load, other"):
            Step(kit(airflow), "airflow.pause", dags=["load", "other"], most=1).plan()
        with pytest.raises(Refused, match="names a DAG"):
            Step(kit(airflow), "airflow.pause").plan()
        with pytest.raises(Refused, match="does not exist in Airflow any more"):
            Step(kit(airflow), "airflow.pause", dags=["gone"]).plan()


class TestSwitch:
    def test_a_change_by_somebody_else_is_never_overwritten(self, airflow: FakeAirflow) -> None:
        """Neither by the step nor by its undo."""
        airflow.variables["switch_a"] = "on"
        switch = Step(kit(airflow), "airflow.set_switch", name="switch_a", value="off")
        [planned] = switch.plan()
        assert planned.text == "Set the variable switch_a to 'off'; now 'on'"
        airflow.variables["switch_a"] = "mirror"
        with pytest.raises(Refused, match="Somebody else has changed"):
            switch.apply(planned)
        assert switch.happened(planned) is None

        airflow.variables["switch_a"] = "on"
        done = switch.apply(planned)
        airflow.variables["switch_a"] = "mirror"
        undone = switch.undo(planned, done)

        assert undone is not None
        assert "somebody has changed it since" in undone.text
        assert airflow.variables["switch_a"] == "mirror"

    def test_a_lost_answer_is_found_done(self, airflow: FakeAirflow) -> None:
        switch = Step(kit(airflow), "airflow.set_switch", name="switch_a", value="off")
        [planned] = switch.plan()
        assert (planned.data["before"], switch.happened(planned)) == (None, False)
        airflow.break_after = "/variables"
        with pytest.raises(AirflowUnavailable):
            switch.apply(planned)

        assert switch.happened(planned) is True
        switch.apply(planned)
        assert len(airflow.calls) == 1

    @pytest.mark.parametrize(
        ("before", "value", "same"), [('{"a":1}', '{"a": 1}', True), ("1", "true", False)]
    )
    def test_json_is_the_same_however_it_is_written(
        self, airflow: FakeAirflow, before: str, value: str, same: bool
    ) -> None:
        airflow.variables["switch_a"] = before

        plan = Step(kit(airflow), "airflow.set_switch", name="switch_a", value=value).plan()

        assert (plan == []) is same

    @pytest.mark.parametrize("name", ["db_password", "switch_", "energy_db"])
    def test_only_switches_are_set(self, name: str) -> None:
        with pytest.raises(ValidationError, match="begins with 'switch_'"):
            models.SetSwitch(name=name, value="off")

    def test_what_airflow_repeats_when_it_refuses_is_not_repeated(self, airflow: FakeAirflow) -> None:
        def refuse(path: str, json: Mapping[str, Any]) -> Any:
            raise AirflowRefused(f"POST {path}: HTTP 422: password=hunter2 in {json}", status=422)

        switch = Step(kit(airflow), "airflow.set_switch", name="switch_a", value="off")
        [planned] = switch.plan()
        airflow.post = refuse  # type: ignore[method-assign]

        with pytest.raises(AirflowRefused) as refused:
            switch.apply(planned)
        assert "hunter2" not in str(refused.value)
        assert refused.value.status == 422


class TestQuarantine:
    @pytest.fixture
    def chronic(self) -> FakeAirflow:
        """Index 2 has failed in three runs of four; in one of the runs everything failed."""
        airflow = FakeAirflow()
        for day, states in enumerate(["ssf", "fff", "sss", "ssf", "ssf"], 1):
            states = [{"s": "success", "f": "failed"}[state] for state in states]
            airflow.run("load", f"r{day}", "failed", **{f"t__{i}": state for i, state in enumerate(states)})
            airflow.runs["load", f"r{day}"]["run_after"] = f"2026-03-{day:02}T02:00:00Z"
        return airflow

    def quarantine(self, airflow: FakeAirflow, **parameters: Any) -> Step:
        return step(airflow, "airflow.quarantine", failed("load", "r5"), **parameters)

    def test_outages_do_not_count(self, chronic: FakeAirflow) -> None:
        [planned] = self.quarantine(chronic).plan()

        text = "Mark load/r5/t[2] success: it failed in 3 of the last 5 runs, the others are green"
        assert planned.text == text
        assert self.quarantine(chronic, runs=4).plan() == []
        assert self.quarantine(chronic, last=4).plan() == []  # without the first one there are two

    def test_one_that_was_set_aside_has_not_succeeded(self, chronic: FakeAirflow) -> None:
        before = chronic.instance("load", "r4", "t", 2)
        before.update(state="success", note="Quarantined by incident response, INC-7: it failed")

        assert len(self.quarantine(chronic).plan()) == 1
        before["note"] = "a person was here"
        assert self.quarantine(chronic).plan() == []

    def test_names_count_where_a_dag_gives_them(self, chronic: FakeAirflow) -> None:
        """Another country has the index today."""
        for day in range(1, 6):
            chronic.instance("load", f"r{day}", "t", 2)["rendered_map_index"] = "SE" if day < 5 else "NO"

        assert self.quarantine(chronic).plan() == []
        chronic.instance("load", "r5", "t", 2)["rendered_map_index"] = "SE"
        [planned] = self.quarantine(chronic).plan()
        assert "t[2] (SE) success" in planned.text

    def test_it_is_refused_while_others_fail_too(self, chronic: FakeAirflow) -> None:
        chronic.instance("load", "r5", "t", 0)["state"] = "failed"
        with pytest.raises(Refused, match=r"Other indices of load.t are not green either: t\[0\]"):
            self.quarantine(chronic).plan()

        chronic.instance("load", "r3", "t", 0)["state"] = "failed"
        with pytest.raises(Refused, match=r"2 indices of load.t fail again and again, more than 1"):
            self.quarantine(chronic, runs=2).plan()
        assert len(self.quarantine(chronic, runs=2, most=2).plan()) == 2

    def test_a_lost_answer_is_found_done_and_the_run_goes_on(self, chronic: FakeAirflow) -> None:
        quarantine = self.quarantine(chronic)
        [planned] = quarantine.plan()
        chronic.break_after = "taskInstances/t/2"
        with pytest.raises(AirflowUnavailable):
            quarantine.apply(planned)
        assert quarantine.happened(planned) is True
        assert chronic.runs["load", "r5"]["state"] == "failed"

        quarantine.apply(planned)

        assert chronic.calls == [
            {
                "new_state": "success",
                "note": "Quarantined by incident response, INC-42: failed in 3 of the last 5 runs",
            },
            {"state": "queued"},
        ]

    def test_one_that_was_tried_again_is_left_alone(self, chronic: FakeAirflow) -> None:
        quarantine = self.quarantine(chronic)
        [planned] = quarantine.plan()
        chronic.instance("load", "r5", "t", 2)["try_number"] = 2

        assert quarantine.happened(planned) is None
        with pytest.raises(Refused, match="tried again"):
            quarantine.apply(planned)
        undone = quarantine.undo(planned, acting.done({}))
        assert undone is not None
        assert "not set aside any more" in undone.text
        assert chronic.calls == []

    def test_a_habit_needs_runs_to_be_seen_in(self) -> None:
        with pytest.raises(ValidationError, match=r"runs \(4\) must not be more than last \(3\)"):
            models.Quarantine(runs=4, last=3)


class TestChecks:
    @pytest.mark.parametrize(
        ("states", "proven"),
        [
            (("success", "success"), True),
            (("success", "running"), None),
            (("success", "queued"), None),
            (("failed", "running"), False),
            (("success", None), False),
        ],
    )
    def test_green_are_the_very_same_runs(
        self, airflow: FakeAirflow, states: tuple[str | None, ...], proven: bool | None
    ) -> None:
        airflow.run("other", RUN, "failed", task="failed")
        check = step(airflow, "airflow.runs_green", failed(), failed("other"))
        for dag_id, state in zip(("load", "other"), states, strict=True):
            airflow.runs[dag_id, RUN]["state"] = state
            for one in airflow.instances[dag_id, RUN]:
                again = 1 if one["state"] != "success" else 0
                one.update(state=None if state == "queued" else state, try_number=1 + again)
            if state is None:
                del airflow.runs[dag_id, RUN]

        assert check.look().proven is proven

    def test_no_run_is_no_proof(self, airflow: FakeAirflow) -> None:
        check = step(airflow, "airflow.runs_green", scenes.sighting("loki", service="api"))

        assert check.look().proven is False

    @pytest.mark.parametrize(
        ("attempt", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (6, 15), (10_000, 15)]
    )
    def test_the_pause_grows_with_each_attempt(self, attempt: int, minutes: int) -> None:
        at = models.UpstreamBackoff().not_before(NOW, attempt)

        assert at == NOW + timedelta(minutes=minutes)

    def test_the_pause_is_counted_from_the_latest_failure(self, airflow: FakeAirflow) -> None:
        """At 02:00:20; it is 02:10 now."""
        check = step(airflow, "airflow.upstream_backoff", failed())

        over, waits = check.look(attempt=4), check.look(attempt=5)

        assert (over.proven, waits.proven) == (True, None)
        assert waits.data["not_before"] == "2026-03-02T02:15:20+00:00"
        assert waits.text == "Attempt 5 waits for 5 min more, until 02:15:20 UTC"

    def test_without_a_failure_there_is_nothing_to_wait_for(self, airflow: FakeAirflow) -> None:
        airflow.run("load", RUN, "success", load="success")

        assert step(airflow, "airflow.upstream_backoff", failed()).look().proven is True


class TestResources:
    HEALTH = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-03-02T02:09:50+00:00"},
        "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
        "dag_processor": {"status": "unhealthy", "latest_dag_processor_heartbeat": None},
    }
    POOL = {"slots": 2, "open_slots": 0, "running_slots": 2, "queued_slots": 0, "deferred_slots": 0}

    def look(self, monkeypatch: pytest.MonkeyPatch, airflow: FakeAirflow, waiting: str) -> Any:
        rows = [
            {"dag_id": "load", "task_id": "t", "dag_run_id": RUN, "map_index": -1, "pool": "narrow"}
            | {"state": "scheduled", "scheduled_when": waiting}
        ]
        answers = {
            "/monitor/health": self.HEALTH,
            "/pools/narrow": {"name": "narrow", **self.POOL, "scheduled_slots": 1},
        }

        def get(path: str, params: Mapping[str, Any] | None = None) -> Any:
            if path.endswith("/taskInstances"):
                found = [row for row in rows if row["state"] in (params or {})["state"]]
                return {"task_instances": found, "total_entries": len(found)}
            if path not in answers:
                raise AirflowUnavailable(f"GET {path}: HTTP 500")  # as 3.1 with an endless pool
            return answers[path]

        monkeypatch.setattr(airflow, "get", get)
        return Step(kit(airflow), "airflow.resources").look()

    def test_a_full_pool_is_starved_once_a_task_has_waited(
        self, monkeypatch: pytest.MonkeyPatch, airflow: FakeAirflow
    ) -> None:
        finding = self.look(monkeypatch, airflow, "2026-03-02T02:04:00Z")
        assert finding.causes == ("airflow_unhealthy", "pool_starved")
        assert finding.data["components"] == {"dag_processor": "DAG processor is unhealthy"}
        assert finding.data["starved"] == ["narrow"]
        assert "load.t[-1]" in finding.exhibits[0].content

        finding = self.look(monkeypatch, airflow, "2026-03-02T02:09:00Z")
        assert finding.causes == ("airflow_unhealthy",)

    def test_without_the_metadata_database_nothing_else_is_asked(
        self, monkeypatch: pytest.MonkeyPatch, airflow: FakeAirflow
    ) -> None:
        monkeypatch.setattr(self, "HEALTH", {"metadatabase": {"status": "unhealthy"}})

        finding = self.look(monkeypatch, airflow, "")

        assert (finding.causes, finding.text) == (
            ("airflow_unhealthy",),
            "Airflow cannot read its metadata database",
        )


def test_a_page_in_place_of_airflow_is_no_proof_that_something_is_gone(
    monkeypatch: pytest.MonkeyPatch, airflow: FakeAirflow
) -> None:
    """A proxy's maintenance page: the run is not missing, and the check is asked again."""
    green = step(airflow, "airflow.runs_green", failed())

    def page(path: str, params: Mapping[str, Any] | None = None) -> Any:
        raise AirflowRefused(f"GET {path}: answered by a page, not by the API", status=404)

    monkeypatch.setattr(airflow, "get", page)

    with pytest.raises(AirflowUnavailable, match="something else answers for it"):
        green.look()


def test_no_request_begins_after_the_time_is_over(airflow: FakeAirflow) -> None:
    with pytest.raises(AirflowUnavailable, match="the time of this step is over"):
        Step(kit(airflow), "airflow.look_at_runs", [failed()]).look(seconds=-1)


class TestReach:
    def test_followers_that_had_succeeded_are_listed_and_cleared(self, airflow: FakeAirflow) -> None:
        """Exactly those of the plan, each by name; the version that runs is said."""
        airflow.run("load", RUN, "success", load="failed", after="success", other="success")
        airflow.edges = [("load", "after")]
        clear = step(airflow, "airflow.clear_failed")

        [planned] = clear.plan()
        clear.apply(planned)

        assert planned.text == f"Clear 1 failed task instance of load/{RUN}: load; and 1 with them: after"
        version = "runs in bundle version abc (DAG version 3), that of the run"
        assert planned.parts == ("load (failed)", "after (success)", version)
        [call] = airflow.calls
        assert (sorted(call["task_ids"]), call["include_downstream"]) == (["after", "load"], False)
        assert (call["only_failed"], call["reset_dag_runs"]) == (False, True)

    def test_what_has_run_and_is_not_in_the_plan_is_not_repeated(self, airflow: FakeAirflow) -> None:
        """The graph has grown since, and somebody has repeated one of them."""
        airflow.run("load", RUN, "success", load="failed", after="success", other="success")
        airflow.edges = [("load", "after")]
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        airflow.edges += [("load", "other")]
        airflow.instance("load", RUN, "after")["try_number"] = 2

        clear.apply(planned)

        assert [call["task_ids"] for call in airflow.calls] == [["load"]]

    def test_what_was_marked_failed_since_is_not_cleared_yet(self, airflow: FakeAirflow) -> None:
        """A crash between the mark and the clear: the clear still has to happen, once."""
        airflow.run("load", RUN, "running", load="running", after="none")
        airflow.edges = [("load", "after")]
        clear = step(airflow, "airflow.clear_failed", stuck=True)
        [planned] = clear.plan()
        airflow.instance("load", RUN, "load")["state"] = "failed"

        assert clear.happened(planned) is False
        clear.apply(planned)
        assert clear.happened(planned) is True
        assert [sorted(call["task_ids"]) for call in airflow.calls] == [["after", "load"]]

    def test_what_works_is_not_killed(self, airflow: FakeAirflow) -> None:
        airflow.run("load", RUN, "running", load="failed", after="success")
        airflow.edges = [("load", "after")]
        clear = step(airflow, "airflow.clear_failed")
        [planned] = clear.plan()
        airflow.instance("load", RUN, "after")["state"] = "running"

        with pytest.raises(Refused, match=r"after of load/.* still works, and a clear would kill it"):
            clear.apply(planned)
        assert airflow.calls == []

    def test_one_that_was_removed_is_named_and_the_rest_is_cleared(self, airflow: FakeAirflow) -> None:
        """A bundle that keeps versions still has it."""
        airflow.run("load", RUN, "failed", load="failed", dropped="failed")
        airflow.removed = {"dropped"}
        airflow.runs["load", RUN]["bundle_version"] = None
        [planned] = step(airflow, "airflow.clear_failed").plan()
        assert [one["task_id"] for one in planned.data["instances"]] == ["load"]
        assert "not dropped: it is not in the DAG any more" in planned.parts

        airflow.instance("load", RUN, "load").update(state="success", try_number=2)
        with pytest.raises(Refused, match=r"load\.dropped: removed from the DAG or renamed"):
            step(airflow, "airflow.clear_failed").plan()
        airflow.runs["load", RUN]["bundle_version"] = "abc"
        assert len(step(airflow, "airflow.clear_failed").plan()) == 1

    @pytest.mark.parametrize(
        ("run", "state", "words"),
        [
            ("queued", None, "waits for its turn: 1 other run of its DAG, 1 may run at once"),
            ("running", "running", "is at work: load"),
            ("running", "scheduled", "waits for a free slot of its pool or a worker: load"),
            ("running", "up_for_retry", "is about to try again: load"),
            ("running", None, "is about to go on"),
        ],
    )
    def test_a_run_that_waits_says_for_what(
        self, airflow: FakeAirflow, run: str, state: str | None, words: str
    ) -> None:
        airflow.run("load", RUN, "failed", load="failed")
        check = step(airflow, "airflow.runs_green", failed())
        airflow.run("load", "another", "running")
        airflow.runs["load", RUN]["state"] = run
        airflow.instance("load", RUN, "load")["state"] = state
        airflow.most_active = 1

        found = check.look()

        assert found.proven is None
        assert words in found.text
