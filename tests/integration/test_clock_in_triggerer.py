"""The clock lives in the triggerer: for ever, without a task, and whatever hangs beside it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from incident_response.domain.records import OutgoingState
from tests.integration.deployment import Deployment, deploy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The store is the embedded one: a SQLite file under AIRFLOW_HOME."""
    folder = tmp_path_factory.mktemp("clock")
    with (
        SmtpServer() as smtp,
        deploy(
            folder,
            smtp,
            database=postgres_server.create_database("clock_airflow"),
            store_url=f"sqlite:///{folder}/airflow/incident_response.db",
            policy={"acknowledge": "10 s"},
        ) as deployment,
    ):
        yield deployment


def test_it_ticks_without_any_task(house: Deployment) -> None:
    """A sign of life every few seconds; the DAG has never had a run."""
    name = house.until_ticking(after=datetime.now(timezone.utc))

    assert name.startswith("clock@")
    assert house.airflow.get("/api/v2/dags/incident_clock/dagRuns").json()["dag_runs"] == []


def test_housekeeping_runs_when_the_doorbell_rings(house: Deployment) -> None:
    """Its run deletes what is too old, and ends well when nothing is."""
    house.airflow.wait_run("incident_clock", house.airflow.trigger("incident_clock"))


def test_our_dags_are_not_paused_and_have_no_import_errors(house: Deployment) -> None:
    """The platform pauses new DAGs; these say that they must not be."""
    dags = house.airflow.get("/api/v2/dags", params={"tags": ["incident-response"], "limit": 100}).json()[
        "dags"
    ]

    paused = {dag["dag_id"] for dag in dags if dag["is_paused"]}
    assert not paused & {
        "incident_clock",
        "incident_escalation",
        "incident_response",
        "runbook_dag-failure-recovery",
    }
    assert house.airflow.get("/api/v2/importErrors").json()["total_entries"] == 0


def test_a_hanging_mail_server_delays_no_timer(house: Deployment) -> None:
    """It accepts connections and says nothing: pages wait, escalations are on time."""
    house.smtp.stop()
    with socket.create_server(("127.0.0.1", house.smtp.port)) as mute:
        mute.listen(50)
        number = house.open("mute-mail")
        house.until_level(number, 2)
        late = [firing.lateness for firing in house.firings(number)]
        assert max(late) < timedelta(seconds=5), late
    house.smtp.start()
    house.until(
        "the pages",
        lambda: all(
            p.state is OutgoingState.DELIVERED for p in house.parcels(number) if p.outgoing.channel == "email"
        ),
        120,
    )


def test_a_paused_clock_stops_and_an_unpaused_one_goes_on(house: Deployment) -> None:
    """What doctor warns of."""
    house.airflow.patch("/api/v2/dags/incident_clock", json={"is_paused": True}).raise_for_status()

    def silent() -> bool:
        moment = datetime.now(timezone.utc)
        time.sleep(12)
        with house.store.read() as tx:
            return not [beat for beat in tx.heartbeats(moment) if beat.name.startswith("clock@")]

    house.until("silence", silent, 90)
    house.airflow.patch("/api/v2/dags/incident_clock", json={"is_paused": False}).raise_for_status()
    house.until_ticking(after=datetime.now(timezone.utc), timeout=90)
