"""Find, look, clear, verify: what the steps of dag-failure-recovery do."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from incident_response.actions import airflow_runs
from incident_response.actions.airflow_runs import Seen, Target
from incident_response.domain.errors import AirflowUnavailable
from incident_response.domain.ports import Sighting

from .fake_airflow import FakeAirflow, Keys

AT = datetime(2026, 3, 2, 2, 1, tzinfo=timezone.utc)
RUN = Target("load", "scheduled__2026-03-02T02:00:00+00:00")
KEY = "INC-42:clear:load:1"


@pytest.fixture
def airflow() -> FakeAirflow:
    airflow = FakeAirflow()
    airflow.run(
        *astuple(RUN),
        "failed",
        extract="success",
        load__0="failed",
        load__1="success",
        after="upstream_failed",
    )
    return airflow


def astuple(target: Target) -> tuple[str, str]:
    return target.dag_id, target.run_id


def look(airflow: FakeAirflow, target: Target = RUN) -> Seen:
    return airflow_runs.look(airflow, target, 60, closely=True)[0]


def sighting(labels: dict[str, str], *, firing: bool = True) -> Sighting:
    return Sighting(42, "listener", "f", labels, "", firing, AT, AT)


class TestTargets:
    def test_each_run_that_a_firing_signal_names_is_a_target_once(self) -> None:
        """27 failed tasks of one run are one target; a quiet signal names none."""
        labels = {"dag_id": "load", "run_id": RUN.run_id}
        signals = [sighting({**labels, "task_id": f"t{n}"}) for n in range(27)]
        quiet = sighting({"dag_id": "other", "run_id": "r"}, firing=False)

        assert airflow_runs.named_runs([*signals, quiet, sighting({"service": "api"})]) == [RUN]

    def test_when_no_signal_fires_any_more_the_runs_they_named_are_verified(self) -> None:
        """Somebody repaired it first; that has to be proven, too."""
        assert airflow_runs.named_runs([sighting({"dag_id": "a", "run_id": "r"}, firing=False)]) == [
            Target("a", "r")
        ]


class TestLook:
    def test_sees_the_failed_and_the_upstream_failed_instances(self, airflow: FakeAirflow) -> None:
        assert [ti.name for ti in look(airflow).failed] == ["load[0]", "after"]

    def test_what_was_seen_survives_the_timeline(self, airflow: FakeAirflow) -> None:
        """The next step is another process and reads it back from JSON."""
        import json

        seen = look(airflow)

        assert Seen.of(json.loads(json.dumps(seen.data()))) == seen

    def test_a_deleted_run_is_named_missing(self, airflow: FakeAirflow) -> None:
        seen, evidence = airflow_runs.look(airflow, Target("load", "gone"), 60, closely=True)

        assert seen.state == "missing"
        assert "does not know" in evidence["missing"]

    def test_a_paused_dag_is_an_obstacle_with_its_remedy(self, airflow: FakeAirflow) -> None:
        """Cleared tasks of a paused DAG would wait for ever."""
        airflow.dags["load"]["is_paused"] = True

        assert "airflow dags unpause load" in look(airflow).obstacle

    def test_evidence_holds_the_end_of_the_log_without_secrets(self, airflow: FakeAirflow) -> None:
        airflow.logs["load"] = [{"event": f"line {n}"} for n in range(200)] + [
            {"event": "connect postgresql://etl:hunter2@db/x", "level": "error",
             "error_detail": [{"exc_type": "OSError", "exc_value": "password=hunter2 \x00refused"}]}
        ]  # fmt: skip

        _, evidence = airflow_runs.look(airflow, RUN, 10, closely=True)

        log = evidence["tasks"][0]["log"]
        assert "hunter2" not in log
        assert "\x00" not in log
        assert "OSError" in log
        assert log.startswith("line 192")

    def test_a_log_that_is_not_there_does_not_stop_the_look(self, airflow: FakeAirflow) -> None:
        _, evidence = airflow_runs.look(airflow, RUN, 10, closely=True)

        assert evidence["tasks"][0]["log"].startswith("(not available")

    def test_tells_what_changed_since_the_last_good_run(self, airflow: FakeAirflow) -> None:
        airflow.run("load", "yesterday", "success", extract="success")
        airflow.runs["load", "yesterday"]["dag_versions"] = [{"version_number": 2}]

        _, evidence = airflow_runs.look(airflow, RUN, 10, closely=True)

        assert evidence["changed"]["DAG version"] == [2, 3]
        assert evidence["changed"]["duration"] == [30.0, 30.0]


class TestClear:
    def test_clears_exactly_the_failed_instances(self, airflow: FakeAirflow) -> None:
        """The green map index beside the failed one is not touched."""
        said = airflow_runs.clear(airflow, look(airflow), KEY, Keys())

        assert airflow.calls[0]["task_ids"] == [["load", 0], "after"]
        assert said == f"Cleared {RUN.name}: load[0], after"

    def test_a_key_that_is_done_clears_nothing(self, airflow: FakeAirflow) -> None:
        seen, keys = look(airflow), Keys()
        keys.states[KEY] = "done"

        airflow_runs.clear(airflow, seen, KEY, keys)

        assert airflow.calls == []

    def test_cut_off_after_the_effect_it_is_found_done(self, airflow: FakeAirflow) -> None:
        """The worker died, or the answer was lost: Airflow is asked before anything is repeated."""
        seen, keys = look(airflow), Keys()
        airflow.break_after = "clearTaskInstances"
        with pytest.raises(AirflowUnavailable):
            airflow_runs.clear(airflow, seen, KEY, keys)

        airflow_runs.clear(airflow, seen, KEY, keys)

        assert len(airflow.calls) == 1
        assert keys.states[KEY] == "done"
        assert "found done" in keys.told[0]

    def test_cut_off_after_the_effect_and_failed_again_it_is_found_done(self, airflow: FakeAirflow) -> None:
        """The try number tells the second failure from the first."""
        seen, keys = look(airflow), Keys()
        keys.begin(KEY)
        airflow.instances[astuple(RUN)][1]["try_number"] = 2

        airflow_runs.clear(airflow, seen, KEY, keys)

        assert airflow.calls == []
        assert keys.states[KEY] == "done"

    def test_cut_off_before_the_effect_it_is_done_now(self, airflow: FakeAirflow) -> None:
        seen, keys = look(airflow), Keys()
        keys.begin(KEY)

        airflow_runs.clear(airflow, seen, KEY, keys)

        assert len(airflow.calls) == 1
        assert keys.states[KEY] == "done"


class TestVerify:
    def test_the_same_run_green_is_the_proof(self, airflow: FakeAirflow) -> None:
        airflow.runs[astuple(RUN)]["state"] = "success"

        assert airflow_runs.verify(airflow, [RUN]) == (True, f"Verified: {RUN.name} is green")

    @pytest.mark.parametrize(("state", "words"), [("failed", "not become green"), ("running", "is running")])
    def test_anything_else_is_none(self, airflow: FakeAirflow, state: str, words: str) -> None:
        airflow.runs[astuple(RUN)]["state"] = state

        green, text = airflow_runs.verify(airflow, [RUN])

        assert not green
        assert words in text

    def test_a_deleted_run_proves_nothing(self, airflow: FakeAirflow) -> None:
        green, text = airflow_runs.verify(airflow, [Target("load", "gone")])

        assert not green
        assert "load/gone was not found" in text
