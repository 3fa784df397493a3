"""`python -m incident_response` beside a real Airflow: all commands in real processes, and bad input."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.integration.deployment import Deployment, deploy
from tests.support.airflow_config import LOGINS
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("commands"),
            smtp,
            database=postgres_server.create_database("commands_airflow"),
            store_url=postgres_server.create_database("commands_store"),
        ) as deployment,
    ):
        deployment.airflow.wait_dag("incident_detection")
        yield deployment


def run(house: Deployment, *arguments: str, **env: str) -> tuple[int, str]:
    """Exit code and all output."""
    done = subprocess.run(
        [sys.executable, "-m", "incident_response", *arguments],
        env=house.airflow.env | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def test_doctor_finds_a_sound_installation_sound_and_a_paused_dag_paused(house: Deployment) -> None:
    """From outside, with the same configuration as Airflow: store, files, login, DAGs, clock, detectors."""
    house.until("the first scan", lambda: "last good look 20" in run(house, "doctor")[1], 60)
    code, text = run(house, "doctor")
    assert (code, "nothing to mend" in text) == (0, True), text
    assert "clock@" in text
    assert house.airflow.login.password not in text.replace(house.airflow.login.user, "")

    house.airflow.patch("/api/v2/dags/incident_escalation", json={"is_paused": True}).raise_for_status()
    code, text = run(house, "doctor")
    house.airflow.patch("/api/v2/dags/incident_escalation", json={"is_paused": False}).raise_for_status()
    assert code == 1
    assert "airflow dags unpause incident_escalation" in text


def test_a_person_reports_and_is_paged(house: Deployment) -> None:
    """From the command line to the mail of Level 1, through the clock in the triggerer."""
    code, text = run(house, "report", "Invoices are missing", "--severity", "P1", "--service", "billing")
    assert code == 0, text
    key = text.split()[-2]
    house.until("the page", lambda: house.mails(key), 30)
    assert house.mails(key)[0] == "level1@example.com"
    assert "Invoices are missing" in run(house, "list")[1]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            {"AIRFLOW__INCIDENT_RESPONSE__TICK_INTERVAL": "soon"},
            "tick_interval is 'soon'; it must be a number",
        ),
        ({"AIRFLOW__INCIDENT_RESPONSE__STORE_URL": "mysql://x"}, "only sqlite:/// and postgresql://"),
        (
            {"AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER": "/nowhere"},
            "the folder include/ was not found at /nowhere",
        ),
        (
            {"AIRFLOW__INCIDENT_RESPONSE__STORE_URL": "postgresql+psycopg2://u:hunter2@127.0.0.1:1/x"},
            "The store is away",
        ),
    ],
)
def test_bad_settings_are_named_with_their_remedy(
    house: Deployment, env: dict[str, str], message: str
) -> None:
    """One line, no traceback, no password."""
    code, text = run(house, "list", **env)
    assert code == 1
    assert message in text
    assert "Traceback" not in text
    assert "hunter2" not in text


def test_a_second_clock_ticks_beside_the_first_until_it_is_interrupted(house: Deployment) -> None:
    """`tick --forever` gives signs of life in the store; Ctrl-C ends it as a success. `tick` looks once."""
    assert run(house, "tick")[0] == 0
    clock = subprocess.Popen(
        [sys.executable, "-m", "incident_response", "tick", "--forever"], env=house.airflow.env
    )
    try:

        def beats() -> bool:
            with house.store.read() as tx:
                seen = tx.heartbeats(datetime.now(timezone.utc) - timedelta(seconds=5))
            return any(beat.name.startswith("cli@") and beat.name.endswith(f":{clock.pid}") for beat in seen)

        house.until("its sign of life", beats, 30)
        clock.send_signal(signal.SIGINT)
        assert clock.wait(15) == 0
    finally:
        clock.kill()


def test_an_old_schema_is_refused_with_the_command(house: Deployment, postgres_url: str) -> None:
    """An empty PostgreSQL database; after `migrate` it works."""
    env = {"AIRFLOW__INCIDENT_RESPONSE__STORE_URL": postgres_url}
    code, text = run(house, "list", **env)
    assert (code, "python -m incident_response migrate" in text) == (1, True), text
    assert run(house, "migrate", **env)[0] == 0
    assert run(house, "list", **env) == (0, "0 open\n")


def test_check_names_a_broken_file(house: Deployment, tmp_path: Path) -> None:
    """File, line, field, remedy."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "escalation.yaml").write_text("version: 1\nzone: Europe/Atlantis\n")
    (tmp_path / "policy" / "classification.yaml").write_text("version: 1\nrules: []\n")
    code, text = run(house, "check", AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER=str(tmp_path))
    assert code == 1
    assert "escalation.yaml:2: zone: 'Europe/Atlantis' is no IANA time zone" in text


_SOURCES = """
version: 1
sources:
- {name: airflow_health, kind: airflow_health}
- {name: energy, kind: postgres, conn_id: energy}
- {name: prometheus, kind: prometheus, time_limit: 2 s}
- {name: alerts, kind: alertmanager}
"""


def test_check_live_tells_what_answers_what_waits_and_what_hangs(
    house: Deployment, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Side by side: what hangs delays nothing. A user who may only read is enough. Nothing is kept."""
    include = shutil.copytree(house.include, tmp_path / "include")
    (include / "policy" / "detectors.yaml").write_text(_SOURCES)
    reader = {"conn_type": "http", "host": house.airflow.url, "login": "viewer"}
    database = {"conn_type": "postgres", "host": "127.0.0.1", "port": postgres_server.port}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = {"conn_type": "http", "host": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        env = {
            "AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER": str(include),
            "AIRFLOW_CONN_INCIDENT_RESPONSE_API": json.dumps(
                {**reader, "password": LOGINS["viewer"].password}
            ),
            "AIRFLOW_CONN_ENERGY": json.dumps({**database, "login": "postgres", "schema": "postgres"}),
            "AIRFLOW_CONN_INCIDENT_RESPONSE_PROMETHEUS": json.dumps(hanging),
        }
        before = house.incidents()
        code, text = run(house, "check", "--live", **env)
    assert code == 1, text
    found = _looks(text)
    assert found["airflow_runs"][0] in ("ok", "sees"), text
    assert found["airflow_edges"] == ("ok", "nothing fires"), text
    assert found["energy"][0] == found["mail"][0] == "ok", text
    assert found["airflow_health"][0] in ("ok", "sees"), text
    assert found["prometheus"][0] == "FAIL", text
    assert "did not answer /api/v1/" in found["prometheus"][1]
    assert found["alerts"][1].startswith("waits for connection incident_response_alertmanager"), text
    assert {i.number for i in house.incidents()} == {i.number for i in before}

    del env["AIRFLOW_CONN_INCIDENT_RESPONSE_PROMETHEUS"]
    began = time.monotonic()
    code, text = run(house, "check", "--live", **env)
    assert code == 0, text
    assert time.monotonic() - began < 30


def _looks(text: str) -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^(ok|sees|waits|FAIL) +(\w+) +(.*)$", text, re.M)
    return {name: (state, said) for state, name, said in rows}


def test_what_a_silence_holds_is_opened_by_the_clock_at_its_end(house: Deployment) -> None:
    """One process makes it, one reports, one ends it; the triggerer's clock looks again."""
    code, text = run(house, "silence", "add", "service=invoicing", "--for", "1 h", "--reason", "migration")
    assert code == 0, text
    silence = text.split()[0]
    code, text = run(house, "classify", "alertname=ServiceUnhealthy", "service=invoicing")
    assert (code, "by silence" in text) == (0, True), text

    code, text = run(house, "report", "Nothing is sent", "--service", "invoicing")
    assert (code, text.startswith("held")) == (0, True), text
    assert "Nothing is sent" in run(house, "silence", "list")[1]
    assert house.of("invoicing") is None

    assert run(house, "silence", "end", silence)[0] == 0
    house.until("the incident", lambda: house.of("invoicing"), 30)


def test_incidents_are_merged_and_split(house: Deployment) -> None:
    """On PostgreSQL, while the clock ticks."""
    one, two = house.open("left"), house.open("right")
    assert run(house, "merge", f"INC-{two}", f"INC-{one}", "--by", "op")[0] == 0
    code, text = run(house, "split", f"INC-{one}")
    assert (code, "2 signals" in text) == (0, True), text
    right = re.findall(r"--signal (\S+)(?=.*\n.*right)", text)[0]
    code, text = run(house, "split", f"INC-{one}", "--signal", right)
    assert code == 0, text
    new = int(text.split()[0].removeprefix("INC-"))
    assert house.incident(new).service == "right"
    assert [s.labels["service"] for s in house.sightings(one)] == ["left"]
