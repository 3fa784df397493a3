"""The harness starts what it says: everything else that runs a real component rests on this."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
import textwrap
import time
from email.message import EmailMessage
from pathlib import Path

import psutil
import psycopg2
import pytest

from tests.support import REPOSITORY
from tests.support.airflow import COMPONENTS, HARNESS, Airflow
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, unbroken
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration]


@pytest.mark.airflow(**HARNESS)
class TestOnPostgres:
    """The simple auth manager, metadata in PostgreSQL: what most tests use."""

    def test_runs_a_dag_to_success(self, airflow: Airflow) -> None:
        """And the metadata is where the URL says."""
        airflow.unpause("harness")

        airflow.wait_run("harness", airflow.trigger("harness"))

        assert airflow.database_url.startswith("postgresql")

    def test_a_failed_run_is_told_with_the_log_of_its_task(self, airflow: Airflow) -> None:
        """Nobody has to look for the log of a run that ended differently."""
        airflow.unpause("harness")
        run_id = airflow.trigger("harness", {"fail": True})

        with pytest.raises(RuntimeError, match="as asked"):
            airflow.wait_run("harness", run_id)

    def test_users_have_their_roles(self, airflow: Airflow) -> None:
        """A viewer reads and does not write."""
        assert airflow.get("/api/v2/dags", user="viewer").status_code == 200
        assert (
            airflow.patch("/api/v2/dags/harness", user="viewer", json={"is_paused": True}).status_code == 403
        )

    def test_a_killed_scheduler_takes_its_tasks_along_and_can_start_again(self, airflow: Airflow) -> None:
        """Tasks have process groups of their own, and die with it nevertheless."""
        airflow.unpause("harness")
        run_id = airflow.trigger("harness", {"seconds": 600})
        airflow.wait_run("harness", run_id, states=["running"])
        wait_until(lambda: len(processes_of(airflow)) > len(COMPONENTS))

        airflow.kill("scheduler")

        assert not [line for line in processes_of(airflow) if "scheduler" in line or "task" in line]
        airflow.start("scheduler")
        airflow.wait_run("harness", airflow.trigger("harness"))

    @pytest.mark.browser
    def test_the_browser_opens_a_plugin_page_inside_airflow(self, airflow: Airflow) -> None:
        """Through the login form of the simple auth manager."""
        see_the_plugin_page(airflow, "admin")


@pytest.mark.airflow(auth="fab", **HARNESS)
class TestUnderFab:
    """The platform's auth manager."""

    def test_users_have_their_roles(self, airflow: Airflow) -> None:
        """A viewer reads and does not write, an operator does both."""
        airflow.wait_dag("harness")
        paused = {"json": {"is_paused": False}}
        assert airflow.get("/api/v2/dags", user="viewer").status_code == 200
        assert airflow.patch("/api/v2/dags/harness", user="viewer", **paused).status_code == 403
        assert airflow.patch("/api/v2/dags/harness", user="op", **paused).status_code == 200

    @pytest.mark.browser
    def test_the_browser_opens_a_plugin_page_inside_airflow(self, airflow: Airflow) -> None:
        """Also as a viewer, who sees it because the prepared database grants readers the menu."""
        see_the_plugin_page(airflow, "viewer")


@pytest.mark.airflow(database="sqlite", prefix="/airflow", **HARNESS)
@pytest.mark.browser
def test_airflow_on_sqlite_serves_under_a_path(airflow: Airflow) -> None:
    """As behind a reverse proxy: all four components are healthy; API, tasks and pages."""
    airflow.unpause("harness")
    run = airflow.wait_run("harness", airflow.trigger("harness", run_id="a+run~with:odd.characters"))

    assert run["dag_run_id"] == "a+run~with:odd.characters"
    assert all(airflow.healthy(component) for component in COMPONENTS)
    see_the_plugin_page(airflow, "admin")


def test_a_killed_postgres_keeps_what_was_committed(tmp_path: Path) -> None:
    """SIGKILL to all its processes, then a start on the same port and data."""
    with PostgresServer(tmp_path) as server:
        url = server.create_database("shop").replace("+psycopg2", "")
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")

        server.kill()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url)
        server.start()

        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT answer FROM kept")
            assert cursor.fetchone() == (42,)


def test_smtp_keeps_messages_and_refuses_on_demand(smtp: SmtpServer) -> None:
    """The refusal is the server's answer, seen by the client."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "airflow@example.com", "ops@example.com", "INC-42"
    message.set_content("PostgreSQL refuses connections")

    with smtplib.SMTP("127.0.0.1", smtp.port) as client:
        client.send_message(message)
        smtp.refuse_with = "451 try again later"
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            client.send_message(message)

    assert [kept["Subject"] for kept in smtp.wait()] == ["INC-42"]


def test_nothing_survives_a_killed_test_run(tmp_path: Path) -> None:
    """SIGKILL to the harness: its server stops and the data it kept outside of its folder is removed."""
    program = textwrap.dedent(f"""
        import pathlib, time
        from tests.support.postgres import PostgresServer
        server = PostgresServer(pathlib.Path({str(tmp_path)!r})).start()
        print(server._process.pid, server.data, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as run:
        assert run.stdout is not None
        pid, data = run.stdout.readline().split()
        assert psutil.pid_exists(int(pid))

        run.kill()

    wait_until(lambda: not psutil.pid_exists(int(pid)))
    if os.geteuid() == 0:
        wait_until(lambda: not Path(data).exists())


def test_what_is_killed_is_dead_when_the_call_returns(tmp_path: Path) -> None:
    """Also what a dead leader would leave behind, with much memory to give back."""
    hold = "held = bytearray(300_000_000); print('x', flush=True); import time; time.sleep(600)"
    others = f"[subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in '123']"
    log = tmp_path / "log"
    program = f"import subprocess, sys; {others}; {hold}"
    process = Process([sys.executable, "-c", program], log, env=dict(os.environ), cwd=tmp_path)
    wait_until(lambda: log.read_text().count("x") == 4)
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]

    process.kill()

    assert len(tree) == 4
    assert not [one for one in tree if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_what_is_interrupted_while_it_starts_is_known(tmp_path: Path) -> None:
    """Ctrl-C waits until there is something to stop, and what was started still obeys it."""
    started = []

    def interrupted() -> None:
        with unbroken():
            signal.raise_signal(signal.SIGINT)
            started.append(Process(["sleep", "600"], tmp_path / "log", env=dict(os.environ), cwd=tmp_path))

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    [process] = started
    assert process.alive
    process.signal(signal.SIGINT)
    assert process.wait(10)
    assert process.exit_code == -signal.SIGINT
    process.kill()


def test_the_guard_ignores_what_a_terminal_sends(postgres_server: PostgresServer) -> None:
    """Ctrl-C ends the test run, which then stops its components in order."""
    guards = [child for child in psutil.Process().children() if "guard.py" in " ".join(child.cmdline())]

    for guard in guards:
        guard.send_signal(signal.SIGINT)
    time.sleep(0.2)

    assert guards
    assert all(guard.is_running() and guard.status() != psutil.STATUS_ZOMBIE for guard in guards)


def see_the_plugin_page(airflow: Airflow, user: str) -> None:
    from tests.support.browser import chromium, log_in, open_plugin_page

    with chromium() as browser:
        page = browser.new_page()
        log_in(page, airflow, user)
        frame = open_plugin_page(page, airflow, "harness-page")
        assert frame.locator("h1").inner_text() == "Hello from the frame"


def processes_of(airflow: Airflow) -> list[str]:
    """Command lines and titles of all that runs with this Airflow's folder as its working directory."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        if process.info["cwd"] == str(airflow.folder) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(" ".join(process.info["cmdline"] or []))
    return found


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
