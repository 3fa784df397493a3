"""The scan of Airflow's runs, against a small Airflow of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.detectors.airflow_runs import AirflowRuns
from incident_response.domain.errors import AirflowRefused
from incident_response.domain.signals import Signal
from incident_response.settings import Settings
from tests.support.airflow_rest import FakeAirflow

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


class Scan:
    """A detector with its cursor; each poll goes through JSON, as the store does."""

    def __init__(self, airflow: FakeAirflow, **settings: Any) -> None:
        self.detector = AirflowRuns(airflow, Settings(**settings))
        self.cursor: Mapping[str, Any] = {}

    def poll(self, now: datetime) -> list[Signal]:
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        return list(seen.signals)


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


@pytest.fixture
def scan(airflow: FakeAirflow) -> Scan:
    return Scan(airflow)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def names(signals: list[Signal]) -> list[tuple[str, bool]]:
    return [(signal.name, signal.firing) for signal in signals]


class TestFailures:
    """Failed tasks and runs."""

    def test_a_failed_task_is_reported_once(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Its run, which failed because of it, is not reported beside it."""
        airflow.dag("etl", "P2")
        airflow.task("etl", "r1", "load", end=at(-1), try_number=3)
        airflow.run("etl", "r1", "failed", at(-5), at(-1))

        [signal] = scan.poll(T0)

        assert signal.occurrence == "etl/r1/load/-1/3"
        assert signal.occurred_at == at(-1)
        assert signal.details["tagged_severity"] == "P2"
        assert scan.poll(at(1)) == []

    def test_a_quiet_scan_asks_four_questions(self, airflow: FakeAirflow, scan: Scan) -> None:
        """And writes nothing into Airflow's audit log, as the POST variant of the task list does."""
        scan.poll(T0)

        assert airflow.asked == [
            "GET /dags/~/dagRuns/~/taskInstances",
            "POST /dags/~/dagRuns/list",
            "POST /dags/~/dagRuns/list",
            "GET /importErrors",
        ]

    @pytest.mark.parametrize("state", ["upstream_failed", "up_for_retry", "skipped", "running", "success"])
    def test_other_states_are_no_failures(self, airflow: FakeAirflow, scan: Scan, state: str) -> None:
        """Retries left open nothing, and neither does what failed only because something before it did."""
        airflow.task("etl", "r1", "load", state, end=at(-1))

        assert scan.poll(T0) == []

    @pytest.mark.parametrize("tag", ["no-incidents", "incident-response"])
    def test_left_out_by_tag(self, airflow: FakeAirflow, scan: Scan, tag: str) -> None:
        """By its owner's wish, or because it is ours."""
        airflow.dag("etl", tag)
        airflow.task("etl", "r1", "load", end=at(-1))
        airflow.run("etl", "r1", "failed", at(-5), at(-1))
        airflow.run("etl", "r2", "failed", at(-5), at(-1))
        airflow.run("etl", "r3", "running", at(-5000))

        assert scan.poll(T0) == []

    def test_a_run_that_failed_as_a_whole_is_reported_itself(self, airflow: FakeAirflow, scan: Scan) -> None:
        """A time limit or a deadlock fails no task."""
        airflow.run("etl", "r1", "failed", at(-5), at(-1))

        [signal] = scan.poll(T0)

        assert (signal.name, signal.occurrence) == (
            "AirflowDAGRunFailed",
            "etl/r1/failed@2026-03-01T01:59:00Z",
        )
        assert scan.poll(at(1)) == []

    def test_a_run_that_fails_again_is_reported_again(self, airflow: FakeAirflow, scan: Scan) -> None:
        """First by its task, which was cleared, then as a whole."""
        airflow.task("etl", "r1", "load", end=at(-1))
        airflow.run("etl", "r1", "failed", at(-5), at(-1))
        scan.poll(T0)
        airflow.task("etl", "r1", "load", "skipped", end=at(3))
        airflow.run("etl", "r1", "failed", at(1), at(3))

        assert names(scan.poll(at(4))) == [("AirflowDAGRunFailed", True)]

    def test_a_second_try_that_fails_is_reported(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Same thing, another occurrence."""
        airflow.task("etl", "r1", "load", end=at(-1))
        [first] = scan.poll(T0)
        airflow.task("etl", "r1", "load", end=at(5), try_number=2)

        [second] = scan.poll(at(6))

        assert first.fingerprint == second.fingerprint
        assert first.occurrence != second.occurrence

    def test_the_first_scan_looks_back_a_day(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Not into history; but a run that ended within the day tells of a task that failed before."""
        airflow.task("old", "r1", "load", end=at(-3000))
        airflow.run("old", "r1", "failed", at(-3100), at(-2900))
        airflow.task("long", "r1", "load", end=at(-2000))
        airflow.run("long", "r1", "failed", at(-2100), at(-10))

        assert [signal.labels["dag_id"] for signal in scan.poll(T0)] == ["long"]

    def test_a_failure_that_comes_late_is_found(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Its end lies before the last scan: another clock, or a state that arrived late."""
        scan.poll(T0)
        airflow.task("etl", "r1", "load", end=at(-5))

        assert len(scan.poll(at(0.5))) == 1

    def test_a_storm_is_taken_in_several_scans(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Each bounded, none lost, none twice."""
        for index in range(2500):
            airflow.task("etl", "r1", "load", end=at(-60) + timedelta(seconds=index), map_index=index)
        airflow.run("etl", "r1", "running", at(-61))

        found = [signal.occurrence for minute in range(4) for signal in scan.poll(at(minute / 2))]

        assert len(set(found)) == 2500
        assert len(json.dumps(scan.cursor)) < 100_000

    def test_a_site_with_smaller_pages(self, airflow: FakeAirflow, scan: Scan) -> None:
        """`maximum_page_limit` may have been lowered."""
        airflow.page = 7
        for index in range(27):
            airflow.task("etl", "r1", "load", end=at(-1), map_index=index)

        assert len(scan.poll(T0)) == 27

    def test_a_cursor_of_another_version_starts_anew(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Intake knows what was reported before."""
        airflow.task("etl", "r1", "load", end=at(-100))
        scan.cursor = {"version": 99, "anything": []}

        assert len(scan.poll(T0)) == 1


class TestRecoveries:
    """What was reported and is green now."""

    def test_a_cleared_run_that_is_green_resolves_what_was_reported(
        self, airflow: FakeAirflow, scan: Scan
    ) -> None:
        """Each task instance, and the run; with the proof."""
        for index in range(3):
            airflow.task("etl", "r1", "load", end=at(-1), map_index=index)
        airflow.run("etl", "r1", "failed", at(-5), at(-1))
        failed = scan.poll(T0)
        airflow.run("etl", "r1", "running", at(1))
        assert scan.poll(at(1)) == []
        for index in range(3):
            airflow.task("etl", "r1", "load", "success", end=at(2), map_index=index, try_number=2)
        airflow.run("etl", "r1", "success", at(1), at(2))

        recovered = scan.poll(at(3))

        assert {s.fingerprint for s in recovered if s.name == "AirflowTaskFailed"} == {
            s.fingerprint for s in failed
        }
        assert [s.name for s in recovered if s.name != "AirflowTaskFailed"] == ["AirflowDAGRunFailed"]
        assert not any(signal.firing for signal in recovered)
        assert recovered[0].summary == "Run r1 of etl is green since 2026-03-01 02:02:00 UTC"
        assert scan.poll(at(4)) == []

    def test_a_green_run_with_a_failed_task_resolves_nothing(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Its author let the run go on; the task has failed all the same."""
        airflow.task("etl", "r1", "optional", end=at(-1))
        airflow.run("etl", "r1", "success", at(-5), at(-0.5))

        assert names(scan.poll(T0)) == [("AirflowTaskFailed", True)]
        assert scan.poll(at(1)) == []
        assert scan.poll(at(2)) == []

    @pytest.mark.parametrize("left", ["skipped", "upstream_failed"])
    def test_a_green_run_in_which_a_failure_cut_something_off_resolves_nothing(
        self, airflow: FakeAirflow, scan: Scan, left: str
    ) -> None:
        """Somebody cleared only what had failed; once all of it has run, the run is well."""
        airflow.graphs["etl"] = [
            {"task_id": "extract", "downstream_task_ids": ["load"]},
            {"task_id": "load", "downstream_task_ids": []},
        ]
        airflow.task("etl", "r1", "extract", end=at(-1))
        airflow.task("etl", "r1", "load", left, end=at(-1))
        airflow.run("etl", "r1", "success", at(-5), at(-1))
        assert names(scan.poll(T0)) == [("AirflowTaskFailed", True)]
        airflow.task("etl", "r1", "extract", "success", end=at(2), try_number=2)
        airflow.run("etl", "r1", "success", at(1), at(2))
        assert scan.poll(at(3)) == []
        assert scan.poll(at(4)) == []
        airflow.task("etl", "r1", "load", "success", end=at(6))
        airflow.run("etl", "r1", "success", at(5), at(6))

        assert names(scan.poll(at(7))) == [("AirflowTaskFailed", False)]

    @pytest.mark.parametrize("removed", [True, False])
    def test_a_task_that_was_removed_is_never_well(
        self, airflow: FakeAirflow, scan: Scan, removed: bool
    ) -> None:
        """Whether Airflow keeps its task instance or not."""
        airflow.task("etl", "r1", "load", end=at(-1))
        airflow.task("etl", "r1", "other", "success", end=at(-1))
        airflow.run("etl", "r1", "failed", at(-5), at(-1))
        scan.poll(T0)
        airflow.task("etl", "r1", "load", "removed", end=at(2))
        if not removed:
            airflow.tasks = [task for task in airflow.tasks if task["task_id"] != "load"]
        airflow.run("etl", "r1", "success", at(1), at(2))

        assert scan.poll(at(3)) == []

    def test_green_runs_of_others_are_not_asked_for(self, airflow: FakeAirflow, scan: Scan) -> None:
        """A busy site has thousands."""
        airflow.task("etl", "r1", "load", end=at(-1))
        scan.poll(T0)
        airflow.run("busy", "r1", "success", at(-5), at(1))
        airflow.run("etl", "r0", "success", at(-5), at(1))

        assert scan.poll(at(2)) == []


class TestStuck:
    """Runs that run for too long."""

    def test_longer_than_the_limit(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Reported once, with what it waits for; resolved when it runs no more."""
        airflow.run("etl", "r1", "running", at(-1441))
        airflow.task("etl", "r1", "wait", "deferred")
        airflow.task("etl", "r1", "done", "success", end=at(-1440))

        [signal] = scan.poll(T0)

        assert signal.name == "AirflowRunStuck"
        assert signal.details["tasks"] == ["wait (deferred)"]
        assert signal.occurred_at == at(-1)
        assert scan.poll(at(1)) == []
        airflow.run("etl", "r1", "success", at(-1441), at(2))
        [resolved] = scan.poll(at(3))
        assert (resolved.firing, resolved.summary) == (False, "Run r1 of etl ended in state success")
        assert resolved.fingerprint == signal.fingerprint

    def test_longer_than_usual(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Five times the median of its last runs, and at least an hour."""
        for run, minutes in (("a", 20), ("b", 30), ("c", 40)):
            airflow.run("etl", run, "success", at(-10_000), at(-10_000 + minutes))
        airflow.run("etl", "r1", "running", at(-149))
        assert scan.poll(T0) == []

        [signal] = scan.poll(at(1))

        assert "longer than 5 times its usual 30 min" in signal.summary

    def test_a_short_habit_is_no_reason_within_the_hour(self, airflow: FakeAirflow, scan: Scan) -> None:
        """A run of one minute that takes ten is not stuck."""
        for run in "abc":
            airflow.run("etl", run, "success", at(-10_000), at(-9_999))
        airflow.run("etl", "r1", "running", at(-59))

        assert scan.poll(T0) == []
        assert names(scan.poll(at(1))) == [("AirflowRunStuck", True)]

    def test_two_runs_are_no_habit(self, airflow: FakeAirflow, scan: Scan) -> None:
        """A new DAG has the fixed limit only."""
        for run in "ab":
            airflow.run("etl", run, "success", at(-10_000), at(-9_999))
        airflow.run("etl", "r1", "running", at(-600))

        assert scan.poll(T0) == []

    @pytest.mark.parametrize(
        ("become", "told"),
        [("deleted", "was deleted"), ("queued", "was started anew"), ("failed", "ended in state failed")],
    )
    def test_what_became_of_it_is_told(
        self, airflow: FakeAirflow, scan: Scan, become: str, told: str
    ) -> None:
        """A run that failed is reported as failed beside it."""
        airflow.run("etl", "r1", "running", at(-2000))
        scan.poll(T0)
        if become == "deleted":
            airflow.runs.clear()
        else:
            airflow.run("etl", "r1", become, at(-2000), at(1) if become == "failed" else None)

        found = scan.poll(at(2))

        assert [s.summary for s in found if not s.firing] == [f"Run r1 of etl {told}"]
        assert [s.name for s in found if s.firing] == (["AirflowDAGRunFailed"] if become == "failed" else [])


class TestImportErrors:
    """Files that cannot be imported."""

    def test_opens_and_resolves(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Tags and DAGs are those it had before it broke."""
        airflow.dag("etl", "P2", file="etl.py")
        airflow.broken("etl.py", at(-1), "Traceback\n  File\nNameError: name 'x' is not defined\n")

        [broken] = scan.poll(T0)

        assert broken.summary == "etl.py cannot be imported: NameError: name 'x' is not defined"
        assert broken.details["dag_ids"] == ["etl"]
        assert broken.details["tagged_severity"] == "P2"
        airflow.import_errors[0]["timestamp"] = "2026-03-01T02:00:30Z"  # Airflow renews it at each parse
        assert scan.poll(at(1)) == []
        airflow.import_errors.clear()
        [mended] = scan.poll(at(2))
        assert (mended.firing, mended.fingerprint) == (False, broken.fingerprint)

    def test_breaking_again_is_another_occurrence(self, airflow: FakeAirflow, scan: Scan) -> None:
        """So a resolved incident is opened again."""
        airflow.broken("etl.py", at(-1))
        [first] = scan.poll(T0)
        airflow.import_errors.clear()
        scan.poll(at(1))
        airflow.broken("etl.py", at(2))

        [second] = scan.poll(at(3))

        assert first.occurrence != second.occurrence

    def test_opt_out_counts_when_all_dags_of_the_file_have_it(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Our own files are reported: nothing else would tell."""
        airflow.dag("quiet", "no-incidents", file="quiet.py")
        airflow.dag("half", "no-incidents", file="mixed.py")
        airflow.dag("loud", file="mixed.py")
        airflow.dag("incident_clock", "incident-response", file="incident_clock.py")
        for name in ("quiet.py", "mixed.py", "incident_clock.py"):
            airflow.broken(name, at(-1))

        assert [s.labels["filename"] for s in scan.poll(T0)] == ["mixed.py", "incident_clock.py"]


class TestPermissions:
    """A service user with too few rights."""

    def test_one_part_that_may_not_look_does_not_blind_the_others(
        self, airflow: FakeAirflow, scan: Scan, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log says what permission is missing."""
        airflow.refuses.add("/importErrors")
        airflow.task("etl", "r1", "load", end=at(-1))

        assert len(scan.poll(T0)) == 1
        assert "/importErrors" in caplog.text
        assert scan.poll(at(1)) == []

    def test_a_part_that_was_refused_halfway_reports_all_of_it_later(
        self, airflow: FakeAirflow, scan: Scan
    ) -> None:
        """What it said would be lost, so what it remembers is forgotten."""
        airflow.task("etl", "r1", "load", end=at(-1))
        airflow.refuses.add("/dags/~/dagRuns/list")
        assert scan.poll(T0) == []
        airflow.refuses.clear()

        assert len(scan.poll(at(1))) == 1

    def test_without_the_graph_a_skip_counts_as_cut_off(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Too careful is better than blind; the rest of the scan goes on."""
        airflow.refuses |= {"/dags/etl/tasks", "/dags/etl/dagRuns/r1/taskInstances/~/xcomEntries"}
        airflow.task("etl", "r1", "load", end=at(-1))
        airflow.run("etl", "r1", "failed", at(-5), at(-1))
        scan.poll(T0)
        airflow.task("etl", "r1", "load", "success", end=at(2), try_number=2)
        airflow.task("etl", "r1", "other", "skipped", end=at(2))
        airflow.run("etl", "r1", "success", at(1), at(2))
        airflow.task("etl", "r2", "load", end=at(2))

        assert [signal.labels["run_id"] for signal in scan.poll(at(3))] == ["r2"]

    def test_a_user_that_may_see_nothing_is_an_error(self, airflow: FakeAirflow, scan: Scan) -> None:
        """Shown with the detector's row."""
        airflow.refuses |= {"/importErrors", "/dags/~/dagRuns/list", "/dags/~/dagRuns/~/taskInstances"}

        with pytest.raises(AirflowRefused):
            scan.poll(T0)
