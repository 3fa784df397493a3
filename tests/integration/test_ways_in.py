"""The three ways in, in a real Airflow: pipelines fail in every way, and each becomes one incident."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.conftest import AirflowPool
from tests.support.airflow import Airflow
from tests.support.airflow_config import AIRFLOW_COMMAND
from tests.support.eyes import INCLUDE, PLUGINS, Eyes, run_all, until

HERE = Path(__file__).parent
PROBED = (*PLUGINS, HERE / "ways_in_probe.py")
HEAVY = re.compile(r"incident_response\.(bootstrap|store|service)")
PATIENT = {**INCLUDE, "AIRFLOW__INCIDENT_RESPONSE__CALLBACK_TIMEOUT": "10"}  # the machine may be busy
FAILING = (
    "all_three",
    "plain",
    "notified",
    "retries",
    "heals",
    "fails_now",
    "chain",
    "opted_out",
    "killed",
    "mapped",
    "timed_out",
    "mended",
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def reports(airflow: Airflow) -> list[dict[str, Any]]:
    """What the guard wrote into the logs of tasks: one entry per report."""
    found = []
    for path in sorted((airflow.folder / "logs").rglob("attempt=*.log")):
        for line in path.read_text().splitlines():
            if "incident response: " in line:
                found.append(json.loads(line))
    return found


@pytest.fixture(scope="module")
def house(airflow_pool: AirflowPool) -> Airflow:
    """The embedded shape: SQLite store, listener on, nothing configured."""
    return airflow_pool.get(
        project=False, dags=[HERE / "dags" / "ways_in.py"], plugins=PROBED, parallelism=4, env=PATIENT
    )


@pytest.fixture(scope="module")
def runs(house: Airflow) -> dict[str, str]:
    """Every pipeline has run once."""
    return run_all(house, FAILING, {"flag": str(house.folder / "mended")})


@pytest.fixture(scope="module")
def eyes(house: Airflow, runs: dict[str, str]) -> Eyes:
    """The detector has looked, and DAG callbacks have had their time."""
    eyes = Eyes(house)
    eyes.scan()
    for dag in ("all_three", "notified", "timed_out"):
        until(lambda dag=dag: eyes.has_dag_callback(dag), f"the DAG callback of {dag}", 60)
    return eyes


class TestOneFailureOneIncident:
    """Who saw it, and how often it counts."""

    def test_callback_listener_and_scan_are_one_incident(self, eyes: Eyes) -> None:
        """With one fingerprint and one occurrence; the DAG's tag P2 beats the rule's P3."""
        seen = [s for s in eyes.sightings("all_three") if s.labels["alertname"] == "AirflowTaskFailed"]

        assert sorted(s.source for s in seen) == ["airflow_runs", "callback", "listener"]
        assert len({(s.fingerprint, s.occurrence) for s in seen}) == 1
        assert eyes.incidents("all_three")[0].severity.value == "P2"

    def test_a_dag_callback_joins_the_same_incident(self, eyes: Eyes) -> None:
        """From the DAG processor, a second or more later."""
        assert eyes.sources("all_three", "AirflowDAGRunFailed") == ["callback"]

    def test_an_untouched_dag_is_seen_by_the_listener_within_its_task(self, eyes: Eyes) -> None:
        """No edit, no callback."""
        assert eyes.sources("plain") == ["airflow_runs", "listener"]

    def test_the_exception_is_kept_without_the_password(self, eyes: Eyes, house: Airflow) -> None:
        """In the incident, and in what we write into the log."""
        [listener] = [s for s in eyes.sightings("plain") if s.source == "listener"]

        assert listener.details["exception"] == "RuntimeError"
        assert listener.summary.startswith(
            "Task load of in_plain failed in try 1: RuntimeError: password=***"
        )
        assert not [report for report in reports(house) if "hunter2" in json.dumps(report)]

    def test_a_notifier_sets_the_severity(self, eyes: Eyes) -> None:
        """On a task and on a DAG, live."""
        assert eyes.incidents("notified")[0].severity.value == "P1"
        assert eyes.sources("notified", "AirflowDAGRunFailed") == ["callback"]

    def test_27_mapped_tasks_are_one_incident(self, eyes: Eyes) -> None:
        """Each of them counted by both who saw it."""
        sources = eyes.sources("mapped")

        assert {source: sources.count(source) for source in set(sources)} == {
            "airflow_runs": 27,
            "listener": 27,
        }

    def test_looking_again_changes_nothing(self, eyes: Eyes) -> None:
        """The overlap of two scans lists the same failures."""
        before = {dag: eyes.sightings(dag) for dag in ("all_three", "mapped", "killed")}
        eyes.scan()

        assert {dag: eyes.sightings(dag) for dag in before} == before

    def test_dags_test_reports_like_a_scheduled_run(self, eyes: Eyes, house: Airflow) -> None:
        """With a notifier on the DAG, where Airflow's own kind fails."""
        command = [AIRFLOW_COMMAND, "dags", "test", "in_tested"]
        done = subprocess.run(
            command, env=house.env, cwd=house.folder, capture_output=True, text=True, check=False
        )

        assert "AttributeError" not in done.stdout + done.stderr
        eyes.take_in()
        assert eyes.sources("tested", "AirflowDAGRunFailed") == ["callback"]
        assert eyes.sources("tested") == ["callback", "listener"]


class TestFinalFailuresOnly:
    """What opens nothing."""

    def test_a_retry_that_is_left_opens_nothing(self, eyes: Eyes) -> None:
        """The second try succeeded."""
        assert eyes.incidents("heals") == []

    def test_only_the_last_try_is_reported(self, eyes: Eyes) -> None:
        """Airflow called the listener for both."""
        assert {s.occurrence.rsplit("/", 1)[1] for s in eyes.sightings("retries")} == {"2"}
        assert [s.count for s in eyes.sightings("retries")] == [1, 1]

    def test_giving_up_with_retries_left_is_final(self, eyes: Eyes) -> None:
        """AirflowFailException."""
        assert eyes.sources("fails_now") == ["airflow_runs", "listener"]

    def test_upstream_failed_opens_nothing(self, eyes: Eyes) -> None:
        """The task after the failed one has not failed."""
        assert {s.labels["task_id"] for s in eyes.sightings("chain")} == {"first"}

    def test_a_dag_that_opted_out_opens_nothing(self, eyes: Eyes) -> None:
        """Although it attached the callback twice."""
        assert eyes.incidents("opted_out") == []


class TestScan:
    """What no callback tells."""

    def test_a_sigkilled_task_is_found(self, eyes: Eyes) -> None:
        """An OOM kill runs no callback and no listener in the task."""
        assert eyes.sources("killed") == ["airflow_runs"]

    def test_a_run_that_timed_out_is_found(self, eyes: Eyes) -> None:
        """No task of it failed; the DAG's callback and the scan tell the same occurrence."""
        seen = eyes.sightings("timed_out")

        assert sorted(s.source for s in seen) == ["airflow_runs", "callback"]
        assert len({(s.fingerprint, s.occurrence) for s in seen}) == 1

    def test_a_run_that_a_person_cleared_is_seen_green(
        self, eyes: Eyes, house: Airflow, runs: dict[str, str]
    ) -> None:
        """The resolved signal carries the proof."""
        run = quote(runs["mended"], safe="")
        (house.folder / "mended").touch()
        house.post(
            f"/api/v2/dags/in_mended/dagRuns/{run}/clear", json={"dry_run": False, "only_failed": True}
        ).raise_for_status()
        house.wait_run("in_mended", runs["mended"], ("success",))

        eyes.scan()

        [seen] = [s for s in eyes.sightings("mended") if s.source == "airflow_runs" and "task_id" in s.labels]
        assert not seen.firing
        assert "is green since" in seen.summary

    def test_a_file_that_breaks_opens_and_resolves(self, eyes: Eyes, house: Airflow) -> None:
        """A state-like trouble: over when it is gone."""
        path = house.folder / "dags" / "in_broken.py"
        path.write_text("from airflow.sdk import DAG\ndag = DAG('in_broken')\nraise NameError('token=abc')\n")
        errors = "/api/v2/importErrors"
        until(lambda: house.get(errors).json()["total_entries"], "the import error", 120)
        eyes.scan()
        with eyes.services.store.read() as tx:
            [incident] = [row.incident for row in tx.board(1000) if "in_broken.py" in row.incident.title]
            [seen] = tx.sightings(incident.number)
        assert seen.summary == "in_broken.py cannot be imported: NameError: token=***"

        path.write_text("from airflow.sdk import DAG\ndag = DAG('in_broken')\n")
        until(lambda: not house.get(errors).json()["total_entries"], "the file to be mended", 120)
        eyes.scan()

        with eyes.services.store.read() as tx:
            assert tx.get(incident.number).status.value == "mitigated"

    def test_a_run_that_is_stuck_is_found(self, house: Airflow) -> None:
        """And over when it ends."""
        house.unpause("in_stuck")
        run_id = house.trigger("in_stuck")
        house.wait_run("in_stuck", run_id, ("running",))
        eyes = Eyes(house, stuck_after=1.0, stuck_least=1.0)
        time.sleep(2)
        eyes.scan()

        [seen] = [s for s in eyes.sightings("stuck") if s.labels["alertname"] == "AirflowRunStuck"]
        assert "longer than" in seen.summary
        run = f"/api/v2/dags/in_stuck/dagRuns/{quote(run_id, safe='')}"
        house.patch(run, json={"state": "success"}).raise_for_status()
        eyes.scan()
        assert eyes.incidents("stuck")[0].status.value == "mitigated"


class TestOtherProcesses:
    """The listener is loaded in every process of Airflow and works in one."""

    def test_the_scheduler_and_the_api_server_never_touch_the_store(self, house: Airflow, eyes: Eyes) -> None:
        """Runs failed in the one; in the other a person marks a task failed, which calls listeners there."""
        house.unpause("in_sleeps")
        run_id = house.trigger("in_sleeps")
        task = f"/api/v2/dags/in_sleeps/dagRuns/{quote(run_id, safe='')}/taskInstances/load"
        until(lambda: house.get(task).json().get("state") == "running", "the task to run")
        house.patch(task, json={"new_state": "failed"}).raise_for_status()
        probes = until(lambda: len(found := probed(house)) == 2 and found, "both to call listeners")

        for process, loaded in probes.items():
            print(f"\n{process}: {len(loaded)} modules of ours")
            assert "incident_response.orchestration.listener" in loaded
            assert not [
                name for name in loaded if re.match(r"incident_response\.(bootstrap|store|service)", name)
            ]
        scheduler = psutil.Process(house._processes["scheduler"].pid)
        assert not [file.path for file in scheduler.open_files() if "incident_response.db" in file.path]
        eyes.scan()
        assert eyes.sources("sleeps") == ["airflow_runs"]


def probed(house: Airflow) -> dict[str, set[str]]:
    """Our modules that were loaded in the scheduler and in the API server when the probe was called there."""
    pids = {house._processes[name].pid: name for name in ("scheduler", "api-server")}
    found: dict[str, set[str]] = {}
    for line in (house.folder / "probe.jsonl").read_text().splitlines():
        probe = json.loads(line)
        above = [probe["pid"], *probe["parents"]]
        # Not `airflow dags test`, which is scheduler and worker in one.
        if component := next((pids[pid] for pid in above if pid in pids), None):
            found.setdefault(component, set()).update(probe["modules"])
    return found


def test_from_raise_to_committed_incident(house: Airflow, eyes: Eyes) -> None:
    """Under a second in the median, each time in a process that has to load the store first.

    About 0.2 s of it is work for a processor: with eight processes to each core it takes eight times as long.
    """
    for _ in range(5):
        run_all(house, ("plain",), {})
    delays = []
    for path in (house.folder / "logs" / "dag_id=in_plain").rglob("attempt=*.log"):
        raised = re.search(r"raised at (\d+\.\d+)", text := path.read_text())
        [told] = [json.loads(line) for line in text.splitlines() if "AirflowTaskFailed of" in line]
        assert re.search(r"(opened|counted) INC-", told["event"])
        told_at = datetime.fromisoformat(told["timestamp"].replace("Z", "+00:00"))
        delays.append(told_at.timestamp() - float(raised[1]))
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    median = statistics.median(delays)
    print(f"\nraise → committed: median {median:.3f} s of {sorted(round(delay, 3) for delay in delays)}")
    print(f"on {os.cpu_count()} cores with load {os.getloadavg()[0]:.1f}")
    assert len(delays) == 6
    assert median < busy
