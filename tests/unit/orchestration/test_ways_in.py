"""Callback, notifier, listener and cluster policy as Airflow calls them, and the guard behind them."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from incident_response import bootstrap, settings
from incident_response.domain.errors import BadInput, SettingsError, StoreUnavailable
from incident_response.domain.signals import Signal
from incident_response.orchestration import callbacks, cluster_policy, intake_guard, listener
from incident_response.orchestration.notifier import IncidentNotifier
from incident_response.service.intake import Receipt, Taken
from incident_response.settings import Settings
from incident_response.spool import FileSpool
from tests.support import REPOSITORY

END = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


class RuntimeTaskInstance(SimpleNamespace):
    """Has the name and the fields of the Task SDK's own."""


class FakeIntake:
    """Takes signals in as a test says."""

    def __init__(self) -> None:
        self.taken: list[Signal] = []
        self.work: Callable[[], None] = lambda: None

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        self.work()
        self.taken += signals
        return [Receipt(42, Taken.OPENED) for _ in signals]


@pytest.fixture
def spool(tmp_path: Path) -> FileSpool:
    return FileSpool(tmp_path / "spool")


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeIntake]:
    """Settings and store of this test."""
    fake = FakeIntake()
    configured = Settings(spool_folder=str(tmp_path / "spool"), callback_timeout=0.3)
    monkeypatch.setattr(settings, "settings", lambda: configured)
    monkeypatch.setattr(listener, "settings", lambda: configured)
    monkeypatch.setattr(bootstrap, "intake_only", lambda: fake)
    monkeypatch.setattr(intake_guard, "_away_until", 0.0)
    return fake


def spooled(spool: FileSpool) -> list[Signal]:
    return [signal for _, signals in spool.take(100) for signal in signals]


def task_instance(state: str = "failed", tags: Sequence[str] = ("P2",), **fields: Any) -> RuntimeTaskInstance:
    dag = SimpleNamespace(dag_id="etl", tags=set(tags), owner="ada")
    known = {"dag_id": "etl", "run_id": "r1", "task_id": "load", "map_index": -1, "try_number": 2}
    task = SimpleNamespace(dag=dag, owner="ada")
    return RuntimeTaskInstance(**{**known, "state": state, "end_date": END, "task": task, **fields})


def context(ti: RuntimeTaskInstance, **more: Any) -> dict[str, Any]:
    return {"dag": ti.task.dag, "ti": ti, "run_id": ti.run_id, **more}


class TestCallback:
    """report_failure and IncidentNotifier."""

    def test_of_a_task(self, intake: FakeIntake) -> None:
        """What failed, when, why."""
        callbacks.report_failure(context(task_instance(), exception=ValueError("token=abc expired")))

        [signal] = intake.taken
        assert signal.occurrence == "etl/r1/load/-1/2"
        assert signal.occurred_at == END
        assert signal.details["message"] == "token=*** expired"
        assert signal.details["tagged_severity"] == "P2"

    def test_of_a_dag(self, intake: FakeIntake) -> None:
        """Not about the task in its context, which on 3.1 is just the last one by name."""
        run = SimpleNamespace(end_date=END, logical_date=None)
        callbacks.report_failure(context(task_instance(), reason="timed_out", dag_run=run))

        [signal] = intake.taken
        assert signal.summary == "Run r1 of etl failed: it ran longer than its time limit"
        assert signal.occurrence == "etl/r1/failed@2026-03-01T02:00:00Z"

    def test_of_a_dag_without_a_task_that_tells(self, intake: FakeIntake) -> None:
        """All that Airflow 3.3 gives then is the DAG, the run's id and the reason."""
        callbacks.report_failure({"dag": task_instance().task.dag, "run_id": "r1", "reason": "task_failure"})

        assert intake.taken[0].name == "AirflowDAGRunFailed"

    @pytest.mark.parametrize("tag", ["no-incidents", "incident-response"])
    def test_left_out_by_tag(self, intake: FakeIntake, tag: str) -> None:
        """Also when somebody attached it."""
        callbacks.report_failure(context(task_instance(tags=[tag])))
        IncidentNotifier()(context(task_instance(tags=[tag])))

        assert intake.taken == []

    def test_a_notifier_may_set_the_severity(self, intake: FakeIntake) -> None:
        """It beats the DAG's tag."""
        IncidentNotifier(severity="P1")(context(task_instance()))

        assert intake.taken[0].details["tagged_severity"] == "P1"

    def test_a_wrong_severity_is_told_when_the_dag_is_parsed(self) -> None:
        """Not when it fails at night."""
        with pytest.raises(BadInput, match="P1, P2, P3 or P4"):
            IncidentNotifier(severity="critical")

    def test_a_context_it_cannot_read_is_logged(
        self, intake: FakeIntake, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Our bug is not the pipeline's."""
        callbacks.report_failure({})

        assert "could not be reported" in caplog.text


class TestListener:
    """on_task_instance_failed."""

    def test_the_last_try_is_reported(self, intake: FakeIntake) -> None:
        """With the same words as the callback's."""
        listener.on_task_instance_failed(task_instance(), ValueError("no"))
        callbacks.report_failure(context(task_instance(), exception=ValueError("no")))

        first, second = intake.taken
        assert replace(first, source="callback") == second

    def test_a_try_that_will_be_repeated_is_not(self, intake: FakeIntake) -> None:
        """Airflow calls listeners after each failed try."""
        listener.on_task_instance_failed(task_instance("up_for_retry"), ValueError("no"))

        assert intake.taken == []

    def test_rows_of_the_scheduler_are_not(self, intake: FakeIntake) -> None:
        """It must return before anything of ours is touched."""

        class TaskInstance(SimpleNamespace):
            """Has the name of the ORM's."""

        row = TaskInstance(**vars(task_instance()))
        listener.on_task_instance_failed(row, "executor reports it dead")

        assert intake.taken == []

    def test_the_switch(self, intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
        """For sites that use cluster policies instead."""
        monkeypatch.setattr(listener, "settings", lambda: Settings(listener_enabled=False))
        listener.on_task_instance_failed(task_instance(), ValueError("no"))

        assert intake.taken == []

    def test_left_out_by_tag(self, intake: FakeIntake) -> None:
        """By its owner's wish."""
        listener.on_task_instance_failed(task_instance(tags=["no-incidents"]), ValueError("no"))

        assert intake.taken == []

    def test_importing_the_plugin_loads_neither_store_nor_services(self, tmp_path: Path) -> None:
        """The scheduler imports it. In a fresh process, because this one has loaded everything."""
        code = """
            import airflow.plugins_manager, sys
            before = set(sys.modules)
            import time; started = time.perf_counter()
            import incident_response_plugin
            print(time.perf_counter() - started)
            ours = "incident_response"
            print(sorted(name for name in set(sys.modules) - before if not name.startswith(ours)))
            heavy = "bootstrap store service library detectors channels airflow_api web.app".split()
            print([name for name in sys.modules if name.startswith(tuple(f"{ours}.{h}" for h in heavy))])
        """
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={"PYTHONPATH": str(REPOSITORY / "plugins"), "AIRFLOW_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, others, heavy = result.stdout.splitlines()[-3:]
        print(f"import of the plugin: {float(seconds) * 1000:.0f} ms, loads {others}")
        assert heavy == "[]"


class TestGuard:
    """Bounded, and nothing lost."""

    def test_the_log_says_what_became_of_it(
        self, intake: FakeIntake, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One line in the task's log, with the incident's number."""
        with caplog.at_level(logging.INFO):
            callbacks.report_failure(context(task_instance()))

        [line] = [r.message for r in caplog.records if r.name.startswith("incident_response")]
        assert line.startswith("incident response: AirflowTaskFailed of etl opened INC-42 in 0.")

    def test_a_store_that_hangs_costs_the_agreed_time_once(
        self, intake: FakeIntake, spool: FileSpool, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The second report of the same process does not wait again."""
        intake.work = lambda: time.sleep(5)
        started = time.perf_counter()
        for _ in range(3):
            callbacks.report_failure(context(task_instance()))

        assert time.perf_counter() - started < 0.3 + 0.3
        assert len(spooled(spool)) == 3
        assert "did not answer within 0.3 s" in caplog.text

    @pytest.mark.parametrize(
        "error", [StoreUnavailable(), RuntimeError("password=x"), SettingsError("store_url names 'mysql'")]
    )
    def test_whatever_goes_wrong_is_spooled_and_told(
        self, intake: FakeIntake, spool: FileSpool, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        """With the remedy, where there is one, and without the password."""

        def refuse() -> None:
            raise error

        intake.work = refuse
        callbacks.report_failure(context(task_instance()))

        assert [signal.occurrence for signal in spooled(spool)] == ["etl/r1/load/-1/2"]
        assert " ".join(str(error).split()).replace("=x", "=***") in caplog.text

    def test_broken_settings_are_no_reason_to_lose_a_signal(
        self,
        intake: FakeIntake,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """It waits where the clock will look once they are right."""

        def broken() -> Settings:
            raise SettingsError("[incident_response] tick_interval is 'soon'; it must be a number")

        monkeypatch.setattr(settings, "settings", broken)
        monkeypatch.setattr(listener, "settings", broken)
        monkeypatch.setattr(bootstrap, "intake_only", broken)
        monkeypatch.setenv("AIRFLOW__INCIDENT_RESPONSE__TICK_INTERVAL", "soon")
        monkeypatch.setenv("AIRFLOW__INCIDENT_RESPONSE__SPOOL_FOLDER", str(tmp_path / "elsewhere"))

        listener.on_task_instance_failed(task_instance(), ValueError("no"))

        assert len(spooled(FileSpool(tmp_path / "elsewhere"))) == 1
        assert "tick_interval is 'soon'" in caplog.text

    def test_without_store_and_spool_the_log_keeps_it(
        self, intake: FakeIntake, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The disk is full, or the folder somebody else's."""
        (tmp_path / "spool").write_text("a file where the folder should be")

        def away() -> None:
            raise StoreUnavailable

        intake.work = away
        callbacks.report_failure(context(task_instance()))

        assert "neither stored" in caplog.text
        assert "etl/r1/load/-1/2" in caplog.text

    def test_a_late_answer_changes_nothing(self, intake: FakeIntake, spool: FileSpool) -> None:
        """The thread that was left behind writes after all; intake then knows the file's signal."""
        go = threading.Event()
        intake.work = lambda: go.wait(5) and None
        callbacks.report_failure(context(task_instance()))
        go.set()
        deadline = time.monotonic() + 5
        while not intake.taken and time.monotonic() < deadline:
            time.sleep(0.01)

        [late], [kept] = intake.taken, spooled(spool)
        assert (late.fingerprint, late.occurrence) == (kept.fingerprint, kept.occurrence)


class TestClusterPolicy:
    """dag_policy and task_policy on Airflow's own classes."""

    def test_attaches_to_dags_and_tasks_mapped_ones_too(self, intake: FakeIntake) -> None:
        """Beside what is there, once."""
        from airflow.sdk import DAG, task

        def own(context: Any) -> None:
            pass

        with DAG("d", default_args={"on_failure_callback": own}, on_failure_callback=own) as dag:

            @task
            def plain() -> None:
                pass

            @task
            def many(x: int) -> None:
                pass

            plain()
            many.expand(x=[1, 2])
        for _ in range(2):
            cluster_policy.dag_policy(dag)
            for each in dag.tasks:
                cluster_policy.task_policy(each)

        assert dag.on_failure_callback == [own, callbacks.report_failure]
        assert dag.has_on_failure_callback
        assert [list(each.on_failure_callback) for each in dag.tasks] == [[own, callbacks.report_failure]] * 2

    @pytest.mark.parametrize("tag", ["no-incidents", "incident-response"])
    def test_leaves_out_by_tag(self, intake: FakeIntake, tag: str) -> None:
        """The DAG stays as its author wrote it."""
        from airflow.sdk import DAG, task

        with DAG("d", tags=[tag]) as dag:
            task(task_id="t")(lambda: None)()
        cluster_policy.dag_policy(dag)
        cluster_policy.task_policy(dag.tasks[0])

        assert not dag.on_failure_callback
        assert not dag.tasks[0].on_failure_callback

    def test_a_notifier_that_is_there_is_enough(self, intake: FakeIntake) -> None:
        """Two reports of one failure are one incident, but one report is cheaper."""
        from airflow.sdk import DAG

        notifier = IncidentNotifier()
        dag = DAG("d", on_failure_callback=notifier)
        cluster_policy.dag_policy(dag)

        assert dag.on_failure_callback == [notifier]
