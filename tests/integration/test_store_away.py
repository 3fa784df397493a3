"""The platform's shape: a PostgreSQL store that goes away, and cluster policies instead of the listener."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from incident_response import bootstrap
from tests.conftest import AirflowPool
from tests.support.airflow import Airflow
from tests.support.eyes import INCLUDE, PLUGINS, Eyes, run_all, until
from tests.support.postgres import PostgresServer

DAGS = [Path(__file__).parent / "dags" / "ways_in.py"]
BOUND = 2.0
SPARE = 0.5  # for the spool, on a machine that is busy
POLICY = """
from incident_response.orchestration.cluster_policy import dag_policy, task_policy

__all__ = ["dag_policy", "task_policy"]
"""

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of its own, because it is going to be stopped."""
    with PostgresServer(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def site(
    airflow_pool: AirflowPool,
    postgres_server: PostgresServer,
    store: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Airflow]:
    airflow_pool.stop()  # one at a time
    folder = tmp_path_factory.mktemp("site")
    (folder / "config").mkdir()
    (folder / "config" / "airflow_local_settings.py").write_text(POLICY)
    url = store.create_database("incidents")
    env = {
        **INCLUDE,
        "AIRFLOW__INCIDENT_RESPONSE__STORE_URL": url,
        "AIRFLOW__INCIDENT_RESPONSE__LISTENER_ENABLED": "false",
        "AIRFLOW__INCIDENT_RESPONSE__CALLBACK_TIMEOUT": str(BOUND),
    }
    database = postgres_server.create_database("airflow_of_site")
    airflow = Airflow(folder, database=database, project=False, dags=DAGS, plugins=PLUGINS, env=env)
    with airflow:
        yield airflow


@pytest.fixture(scope="module")
def eyes(site: Airflow, store: PostgresServer) -> Eyes:
    eyes = Eyes(site, store_url=store.url("incidents"))
    bootstrap.make_store(eyes.services.settings).migrate()
    return eyes


def test_policies_report_dags_that_nobody_edited(site: Airflow, eyes: Eyes) -> None:
    """Their tasks, mapped ones too, and their runs; the opt-out tag is respected, own callbacks are kept."""
    run_all(site, ("plain", "mapped", "opted_out", "all_three"), {})
    dags = ("plain", "mapped", "all_three")
    until(lambda: all(map(eyes.has_dag_callback, dags)), "the DAGs' callbacks", 60)

    assert eyes.sources("plain") == ["callback"]
    assert eyes.sources("mapped") == ["callback"] * 27
    assert [s.count for s in eyes.sightings("all_three") if "task_id" in s.labels] == [1]
    assert eyes.incidents("opted_out") == []


def test_a_store_that_hangs_costs_the_bound_and_loses_nothing(
    site: Airflow, eyes: Eyes, store: PostgresServer
) -> None:
    """The worst case: it accepts connections and never answers. In tasks and in the DAG processor alike."""
    eyes.take_in()  # what an earlier try may have left
    eyes.services.store.close()
    pattern = re.compile(r"(\w+) of in_retries spooled as \S+ after (\d+\.\d+) s, because ([^;]+)")
    with frozen(store):
        run_all(site, ("retries",), {})
        reports = until(lambda: len(found := find(site, pattern)) >= 2 and found, "both signals", 60)
    print(f"\nstore hangs: {sorted(reports)}")
    assert {name for name, _, _ in reports} == {"AirflowTaskFailed", "AirflowDAGRunFailed"}
    assert all(float(seconds) < BOUND + SPARE for _, seconds, _ in reports)
    assert eyes.services.spool.waiting() == 2

    assert eyes.take_in() == 2

    assert eyes.services.spool.waiting() == 0
    names = sorted(seen.labels["alertname"] for seen in eyes.sightings("retries"))
    assert names == ["AirflowDAGRunFailed", "AirflowTaskFailed"]


def test_a_store_that_is_down_costs_next_to_nothing(site: Airflow, eyes: Eyes, store: PostgresServer) -> None:
    """It refuses at once, so the signal is in the spool at once."""
    eyes.take_in()
    eyes.services.store.close()
    pattern = re.compile(
        r"(\w+TaskFailed) of in_fails_now spooled as \S+ after (\d+\.\d+) s, because ([^;]+)"
    )
    store.stop()
    try:
        run_all(site, ("fails_now",), {})
        [(_, seconds, why), *_] = until(lambda: find(site, pattern), "the spooled signal")
        until(lambda: eyes.services.spool.waiting() == 2, "the DAG's callback")
    finally:
        store.start()
    print(f"\nstore down: spooled after {seconds} s, because {why}")
    assert float(seconds) < BOUND

    assert eyes.take_in() == 2

    assert len(eyes.incidents("fails_now")) == 1


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """No process of the server gets any further."""
    main = psutil.Process(server._process.pid)  # type: ignore[union-attr]
    processes = (main, *main.children(recursive=True))
    _tell(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(processes, signal.SIGCONT)


def _tell(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """The session of a client that has just gone ends by itself."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def find(airflow: Airflow, pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    """In all logs of tasks and of the DAG processor."""
    logs = (path for path in (airflow.folder / "logs").rglob("*.log") if path.is_file())
    return [found for path in logs for found in set(pattern.findall(path.read_text()))]
