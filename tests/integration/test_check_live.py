"""`check --live` on a real Prometheus and a real Docker Engine: what a source says is not what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from incident_response.domain.connections import Connection
from tests.support.docker_engine import DockerEngine
from tests.support.exporter import Exporter
from tests.support.prometheus import Prometheus
from tests.unit.cli.conftest import Run, include, known, run, services
from tests.unit.cli.test_checking import lines, sources

__all__ = ["include", "known", "run", "services"]  # fixtures

pytestmark = pytest.mark.integration

RULES = [{"alert": "DatabaseConnectionFailure", "expr": "vector(1)", "labels": {"service": "lianel_energy"}}]


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with DockerEngine(tmp_path_factory.mktemp("docker")) as engine:
        yield engine


def test_an_alert_of_prometheus_is_seen_and_fails_nothing(
    run: Run, include: Path, known: dict[str, Connection], tmp_path: Path
) -> None:
    """It answered: that the database is down is its news, not its fault."""
    with Exporter() as exporter, Prometheus(tmp_path / "prometheus", RULES, exporter=exporter) as server:
        server.wait_until("DatabaseConnectionFailure", "firing")
        known["incident_response_prometheus"] = server.connection
        sources(include, "- {name: prometheus, kind: prometheus}")
        found = lines(run("check", "--live")[1])
    assert found["prometheus"] == ("sees", "DatabaseConnectionFailure of lianel_energy")


def test_an_expected_container_that_is_missing_is_told_at_the_first_look(
    run: Run, include: Path, known: dict[str, Connection], engine: DockerEngine
) -> None:
    """The night's patience of a minute would call it well."""
    engine.run("lianel-frontend")
    known["incident_response_docker"] = Connection(host=engine.url)
    sources(include, "- {name: docker, kind: docker, expected: [lianel-frontend, nginx-proxy]}")
    assert lines(run("check", "--live")[1])["docker"] == ("sees", "ContainerDown of nginx-proxy")
    engine.run("nginx-proxy")
    assert lines(run("check", "--live")[1])["docker"] == ("ok", "nothing fires")
