"""A real Docker engine and a real PostgreSQL, and the shipped runbooks on them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.domain.connections import Connection
from tests.integration.actions.postgres_under_test import DATABASE, SECRET, server, session
from tests.support import REPOSITORY
from tests.support.docker_engine import DockerEngine
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site, in_child, in_frozen_child

SERVICES = """
version: 1
wait: 30 s
services:
  - {name: lianel_energy}
  - {name: db, container: {automation: true, start_grace: 2 s}}
  - {name: api, depends_on: [db], container: {automation: true, start_grace: 3 s, memory_ceiling: 64 MB}}
  - {name: other, container: {automation: true, start_grace: 3 s}}
  - {name: foreign, container: {automation: false}}
  - {name: c1, container: {automation: true}}
  - {name: c2, depends_on: [c1], container: {automation: true}}
  - {name: c3, depends_on: [c2], container: {automation: true}}
  - {name: c4, depends_on: [c3], container: {automation: true}}
"""
_BACKGROUND = ("exec_", "health_status")  # events of the containers' own health checks


@pytest.fixture(scope="package")
def docker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with DockerEngine(tmp_path_factory.mktemp("docker")) as started:
        yield started


@dataclass
class Containers:
    """The engine, and what was done to its containers since `mark`."""

    engine: DockerEngine
    since: datetime

    def mark(self) -> None:
        time.sleep(0.1)
        self.since = datetime.now(timezone.utc)

    def events(self, *names: str) -> list[str]:
        """`restart api`, without the health checks'."""
        time.sleep(0.1)
        until = datetime.now(timezone.utc).timestamp()
        found = self.engine.client.events(since=self.since.timestamp(), until=until, decode=True)
        told = [
            (event["Action"], event["Actor"]["Attributes"]["name"])
            for event in found
            if event["Type"] == "container"
        ]
        return [
            f"{action} {name}"
            for action, name in told
            if not action.startswith(_BACKGROUND) and (not names or action in names)
        ]

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.client.api.inspect_container(name)
        return found

    def started(self, name: str) -> str:
        return str(self.inspect(name)["State"]["StartedAt"])

    def down(self, name: str = "api", **options: Any) -> None:
        """One that served and was killed."""
        self.engine.serve(name, **options).kill()
        self.engine.wait_state(name, "exited")


@pytest.fixture
def containers(docker_server: DockerEngine) -> Iterator[Containers]:
    yield Containers(docker_server, datetime.now(timezone.utc))
    docker_server.clear()


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with server(tmp_path_factory.mktemp("postgres"), max_connections=20) as started:
        yield started


@pytest.fixture
def sessions(postgres: PostgresServer) -> Iterator[Callable[..., Any]]:
    """Makes sessions (user, application) that end with the test."""
    with ExitStack() as opened:
        yield lambda *who: opened.enter_context(closing(session(postgres, *who)))


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "kill_variable", lambda: None)


@pytest.fixture
def ground(tmp_path: Path, request: pytest.FixtureRequest) -> Ground:
    """The shipped files; the map of services is that of the tests. Connections to what the test uses."""
    connections: dict[str, Connection] = {}
    if "containers" in request.fixturenames:
        url = request.getfixturevalue("docker_server").url
        for name in ("incident_response_docker", "incident_response_docker_write"):
            connections[name] = Connection(host=url)
    if "postgres" in request.fixturenames:
        port = request.getfixturevalue("postgres").port
        connections["lianel_energy_db"] = Connection(
            "127.0.0.1", "responder", SECRET, port, DATABASE, conn_type="postgres"
        )
    made = Ground.new(tmp_path, connections)
    made.write("policy/services.yaml", SERVICES)
    return made


@pytest.fixture
def site(ground: Ground) -> Site:
    """Services in memory; their files are read when they are used first."""
    return Site(ground)


@dataclass
class Children:
    """Walks in processes of their own, forked from one that has everything imported."""

    context: Any

    def walk(self, ground: Ground, number: int, run_id: str, step: str = "", moment: str = "") -> None:
        """To the end, or to that moment of that step, where it dies."""
        child = self.context.Process(target=in_child, args=(ground, number, run_id, step, moment))
        child.start()
        child.join(60)
        try:
            assert child.exitcode == (-signal.SIGKILL if moment else 0)
        finally:
            child.kill()
            child.join()

    @contextmanager
    def frozen(
        self, ground: Ground, number: int, run_id: str, step: str, moment: str, lease: float
    ) -> Iterator[None]:
        """One that is frozen at that moment of that step; it goes on to its end when this is left."""
        child = self.context.Process(
            target=in_frozen_child, args=(ground, number, run_id, step, moment, lease)
        )
        child.start()
        try:
            status = Path(f"/proc/{child.pid}/stat")
            wait_for(lambda: status.read_text().rsplit(")", 1)[1].split()[0] == "T", "it is frozen", 30)
            yield
            os.kill(child.pid, signal.SIGCONT)
            child.join(30)
            assert child.exitcode == 0
        finally:
            child.kill()
            child.join()


@pytest.fixture(scope="package")
def children() -> Children:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.support.walking_runbook"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return Children(context)
