"""Incidents opened by real systems, whose signals are looked at again at once, on the same systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from incident_response.bootstrap import now
from incident_response.detectors.registry import Detectors, detector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.records import Sighting
from incident_response.library.detectors_file import DetectorsFile
from incident_response.settings import Settings
from tests.support.airflow_rest import FakeAirflow
from tests.support.docker_engine import DockerEngine
from tests.support.lookout import Lookout
from tests.support.processes import free_port
from tests.support.web_server import WebServer

pytestmark = pytest.mark.integration

SECRET = "correct-horse-9"


class Watch:
    """One source: a detector that opened an incident, and the same source looked at out of turn."""

    def __init__(self, connection: Connection | None = None, **source: Any) -> None:
        (self.source,) = DetectorsFile.model_validate(
            {"version": 1, "sources": [{"name": "watched", **source}]}
        ).sources
        find = {"watched": connection}.get
        self.detectors = Detectors(lambda: (self.source,), find, FakeAirflow(), Settings())
        self.house = Lookout(detector(self.source, find, FakeAirflow()))  # type: ignore[arg-type]

    def open(self, alert: str, looks: int = 1) -> None:
        """Let the detector look until the alert fires."""
        told = [self.house.names(minutes=5) for _ in range(looks)]
        assert told[-1] == {alert: True}

    @property
    def seen(self) -> list[Sighting]:
        with self.house.house.store.read() as tx:
            return list(tx.sightings(1))

    def still(self) -> list[str]:
        firing, blind = self.detectors.still_firing(self.seen, now())
        assert blind == []
        return [sighting.labels["alertname"] for sighting in firing]


@pytest.fixture
def place(postgres_url: str) -> Connection:
    url = make_url(postgres_url)
    found = Connection(url.host, url.username, SECRET, url.port, url.database, conn_type="postgres")
    run(found, "CREATE TABLE fact_energy_annual (country_code text, year int, value_gwh float)")
    return found


def run(place: Connection, statement: str) -> None:
    with closing(
        psycopg2.connect(host=place.host, port=place.port, user=place.login, dbname=place.schema)
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_assertion_that_opened_the_incident_is_run_again_at_once(place: Connection) -> None:
    """Although it is due once a week and fires at its second red answer."""
    check = {
        "name": "no_negative_values",
        "kind": "assertion",
        "table": "fact_energy_annual",
        "sql": "SELECT * FROM fact_energy_annual WHERE value_gwh < :least",
        "parameters": {"least": 0},
        "failures": 2,
    }
    watch = Watch(place, kind="data_quality", conn_id="watched", checks=[check])
    run(place, "INSERT INTO fact_energy_annual VALUES ('SE', 2024, -5)")
    watch.open("DataInvalid", looks=2)
    watch.source = watch.source.model_copy(
        update={"checks": (watch.source.checks[0].model_copy(update={"failures": 20}),)}  # type: ignore[union-attr]
    )
    assert watch.still() == ["DataInvalid"]
    run(place, "UPDATE fact_energy_annual SET value_gwh = 5")
    assert watch.still() == []
    run(place, "ALTER TABLE fact_energy_annual RENAME TO away")
    with pytest.raises(SourceUnavailable, match="check no_negative_values gave no answer") as told:
        watch.still()
    assert SECRET not in str(told.value)


def test_a_service_that_answers_badly_once_still_fires() -> None:
    """Five failed looks opened it, one good answer is enough."""
    with WebServer() as server:
        target = {"service": "energy", "url": server.url, "failures": 5, "successes": 5, "retries": 0}
        watch = Watch(kind="http_health", targets=[target])
        server.status = 503
        watch.open("ServiceUnhealthy", looks=5)
        assert watch.still() == ["ServiceUnhealthy"]
        server.status = 200
        assert watch.still() == []
        server.drips = True
        watch.source = watch.source.model_copy(update={"time_limit": watch.source.time_limit / 10})
        assert watch.still() == ["ServiceUnhealthy"]
    assert watch.still() == ["ServiceUnhealthy"], "refuses connections"


def test_a_database_that_gives_no_connection_leaves_nothing_quiet(place: Connection) -> None:
    """At its first silence, although nine looks are wanted."""
    watch = Watch(place, kind="postgres", conn_id="watched", failures=2)
    away = Connection(place.host, place.login, SECRET, free_port(), place.schema, conn_type="postgres")
    broken = Watch(away, kind="postgres", conn_id="watched", failures=2)
    broken.open("DatabaseConnectionFailure", looks=2)
    assert broken.still() == ["DatabaseConnectionFailure"]
    assert list(watch.detectors.still_firing(broken.seen, now())) == [[], []]


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with DockerEngine(tmp_path_factory.mktemp("docker")) as server:
        yield server


def test_a_container_is_well_when_its_health_check_says_so(engine: DockerEngine) -> None:
    """Started is not healthy: until its check has passed, the incident's signal is not over."""
    container = engine.serve("lianel-energy-service")
    engine.wait_health("lianel-energy-service", "healthy")
    watch = Watch(Connection(engine.url), kind="docker", conn_id="watched", down_for="0 s")
    container.kill()
    engine.wait_state("lianel-energy-service", "exited")
    watch.open("ContainerDown")
    assert watch.still() == ["ContainerDown"]
    container.start()
    assert watch.still() == ["ContainerDown"], "it is starting"
    engine.wait_health("lianel-energy-service", "healthy")
    assert watch.still() == []
