"""The containers of a real Docker Engine, with trouble caused for real."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.detectors.docker_engine import DockerDetector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.sources.docker_engine import DockerSource
from tests.support.docker_engine import DockerEngine
from tests.support.house import House

pytestmark = pytest.mark.integration

EAT = "x=a; while true; do x=$x$x; done"  # doubles its memory until it is killed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    with DockerEngine(tmp_path_factory.mktemp("docker")) as server:
        yield server


@pytest.fixture
def engine(server: DockerEngine) -> Iterator[DockerEngine]:
    """Without containers."""
    yield server
    server.clear()


class Room:
    """A detector with its cursor, and a house that takes its signals in."""

    def __init__(self, engine: DockerEngine, *watched: str | dict[str, str], **settings: Any) -> None:
        options = {"containers": watched, "down_for": "0 s", "start_grace": "0 s"} | settings
        source = DockerSource.model_validate({"name": "docker", "kind": "docker", **options})
        self.detector = DockerDetector(source, lambda _: Connection(host=engine.url))
        self.cursor: Mapping[str, Any] = {}
        self.house = House()
        self.shift = timedelta()

    def look(self) -> list[Signal]:
        """One poll; its cursor goes through JSON, as the store does."""
        now = datetime.now(timezone.utc) + self.shift
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        self.house.intake.receive(seen.signals, now)
        return list(seen.signals)

    def until(self, condition: Callable[[Signal], bool], seconds: float = 15) -> Signal:
        """Look until a signal is as wanted."""
        deadline = time.monotonic() + seconds
        seen: list[Signal] = []
        while time.monotonic() < deadline:
            seen += self.look()
            if found := next(filter(condition, seen), None):
                return found
            time.sleep(0.2)
        raise AssertionError(f"not seen in {seconds} s; seen: {seen}")

    def incident(self, number: int = 1) -> Incident:
        return self.house.incident(number)


def fires(name: str) -> Callable[[Signal], bool]:
    return lambda signal: signal.name == name and signal.firing


def ends(name: str) -> Callable[[Signal], bool]:
    return lambda signal: signal.name == name and not signal.firing


def test_a_killed_container_is_a_service_outage_until_it_runs_again(engine: DockerEngine) -> None:
    """Killed by hand: the exit code is named, and nobody speaks of memory."""
    engine.run("lianel-energy-service", mem_limit="64m")
    room = Room(engine, {"name": "lianel-energy-*", "service": "energy"})
    assert room.look() == []
    engine.client.containers.get("lianel-energy-service").kill()

    signals = room.look()

    assert [signal.name for signal in signals] == ["ContainerDown"]
    assert signals[0].labels == {
        "alertname": "ContainerDown",
        "container": "lianel-energy-service",
        "service": "energy",
        "component": "infrastructure",
    }
    assert signals[0].summary == "Container lianel-energy-service exited with code 137 (SIGKILL)"
    incident = room.incident()
    assert (incident.severity, incident.scenario) == (Severity.P2, Scenario.SERVICE_OUTAGE)
    assert (incident.service, incident.runbook) == ("lianel-energy-service", "service-restart")

    engine.client.containers.get("lianel-energy-service").start()
    assert [(signal.name, signal.firing) for signal in room.look()] == [("ContainerDown", False)]
    assert room.incident().status is Status.MITIGATED


def test_the_proxy_down_is_critical(engine: DockerEngine) -> None:
    """Everything is behind it."""
    engine.run("nginx-proxy", "exit 1")
    engine.wait_state("nginx-proxy", "exited")
    room = Room(engine, "nginx-proxy")

    [signal] = room.look()

    assert signal.labels["component"] == "nginx"
    assert (room.incident().severity, room.incident().title) == (Severity.P1, "nginx-proxy is down")


def test_an_unhealthy_container_is_down_until_its_check_passes_again(engine: DockerEngine) -> None:
    """The page is taken away from a server that goes on running."""
    server = engine.serve("keycloak")
    engine.wait_health("keycloak", "healthy")
    room = Room(engine, "keycloak")
    assert room.look() == []
    server.exec_run("rm /www/health")
    engine.wait_health("keycloak", "unhealthy")

    [signal] = room.look()

    assert signal.name == "ContainerUnhealthy"
    assert "404" in signal.details["check_said"]
    assert (room.incident().severity, room.incident().service) == (Severity.P2, "keycloak")
    server.exec_run("touch /www/health")
    engine.wait_health("keycloak", "healthy")
    assert room.until(ends("ContainerUnhealthy"))
    assert room.incident().status is Status.MITIGATED


def test_a_slow_starter_has_its_time(engine: DockerEngine) -> None:
    """Unhealthy during its first two minutes is no finding, afterwards it is."""
    engine.serve("keycloak").exec_run("rm /www/health")
    engine.wait_health("keycloak", "unhealthy")
    room = Room(engine, {"name": "keycloak", "start_grace": "2 min"})

    assert room.look() == []
    room.shift = timedelta(minutes=3)
    assert [signal.name for signal in room.look()] == ["ContainerUnhealthy"]


def test_a_kill_for_memory_is_told_as_what_it_is(engine: DockerEngine) -> None:
    """It is the same happening at each look, and is told no more when it is old."""
    engine.run("lianel-stock-service", EAT, mem_limit="16m", memswap_limit="16m")
    engine.wait_state("lianel-stock-service", "exited")
    room = Room(engine, "lianel-stock-service", repeat="5 s")

    down, killed = sorted(room.look(), key=lambda signal: signal.name)

    assert (down.name, killed.name) == ("ContainerDown", "ContainerOOMKilled")
    assert down.summary == "Container lianel-stock-service exited with code 137: killed, out of memory"
    state = engine.client.api.inspect_container("lianel-stock-service")["State"]
    assert state["FinishedAt"][:19] in killed.occurrence
    causes = {room.incident(number).title: room.incident(number) for number in (1, 2)}
    incident = causes["lianel-stock-service was killed: out of memory"]
    assert (incident.severity, incident.event_like) == (Severity.P2, True)
    room.shift = timedelta(seconds=6)  # past `repeat`
    again = room.until(fires("ContainerOOMKilled"))
    assert again.occurrence == killed.occurrence
    room.shift = timedelta(minutes=11)
    assert room.until(ends("ContainerOOMKilled"))
    assert room.incident(incident.number).status is Status.TRIGGERED  # quiet is not fixed


def test_a_child_process_killed_for_memory_is_told_though_the_container_runs(engine: DockerEngine) -> None:
    """As when one task of a worker is killed: only the engine's events know."""
    engine.run("dc-airflow-worker-1", f"sh -c '{EAT}'; sleep 600", mem_limit="16m", memswap_limit="16m")
    room = Room(engine, "dc-airflow-worker-1")

    signal = room.until(fires("ContainerOOMKilled"))

    assert signal.labels["component"] == "airflow"
    assert signal.summary.startswith("A process in container dc-airflow-worker-1 was killed at ")
    assert not signal.details["container_ended"]


def test_a_restart_loop_is_told_until_a_person_ends_it(engine: DockerEngine) -> None:
    """The container never stays away for long, and is never told to be down."""
    container = engine.run(
        "dc-redis-1", "test -e /tmp/good || exit 3; sleep 600", restart_policy={"Name": "always"}
    )
    room = Room(engine, "dc-redis-*")

    signal = room.until(fires("ContainerRestarting"))

    assert (signal.labels["component"], signal.details["restart_policy"]) == ("redis", "always")
    assert room.incident().title == "dc-redis-1 restarts again and again"
    assert list(room.cursor["firing"]) == [signal.fingerprint]
    container.remove(force=True)
    engine.run("dc-redis-1")
    assert room.until(ends("ContainerRestarting"))
    assert room.incident().status is Status.MITIGATED


def test_memory_near_the_limit_is_told_until_it_is_well_below(engine: DockerEngine) -> None:
    """A file in the kernel's cache does not count, a file in memory does."""
    container = engine.run("lianel-profile-service", mem_limit="32m", tmpfs={"/ram": "size=64m"})
    engine.run("unlimited")
    container.exec_run("dd if=/dev/zero of=/tmp/cached bs=1M count=29")
    room = Room(engine, "lianel-profile-service", "unlimited")
    assert room.look() == []
    container.exec_run("dd if=/dev/zero of=/ram/need bs=1M count=29")

    signal = room.until(fires("HighMemoryUsage"))

    assert signal.details["percent"] >= 90
    assert "of 32 MiB (limit 90 %)" in signal.summary
    assert (room.incident().severity, room.incident().scenario) == (Severity.P3, Scenario.PERFORMANCE)
    assert room.incident().runbook == "performance-troubleshooting"
    container.exec_run("rm /ram/need")
    assert room.until(ends("HighMemoryUsage"))
    assert room.incident().status is Status.MITIGATED


def test_a_paused_container_is_down(engine: DockerEngine) -> None:
    """It holds its connections and answers nobody."""
    container = engine.run("lianel-frontend")
    container.pause()
    room = Room(engine, "lianel-frontend")

    [signal] = room.look()

    assert (signal.name, signal.summary) == ("ContainerDown", "Container lianel-frontend is paused")
    container.unpause()
    assert [signal.firing for signal in room.look()] == [False]


def test_an_expected_container_that_does_not_exist_is_down(engine: DockerEngine) -> None:
    """Until it is created and started."""
    room = Room(engine, "lianel-frontend", expected=["nginx-proxy"])
    [signal] = room.look()
    assert signal.summary == "Container nginx-proxy does not exist"

    engine.client.api.create_container("tinyapp:1", ["sleep", "600"], name="nginx-proxy")
    assert room.look() == []  # still the same trouble
    engine.client.containers.get("nginx-proxy").start()
    assert [(signal.name, signal.firing) for signal in room.look()] == [("ContainerDown", False)]


def test_a_job_that_has_done_its_work_is_no_finding(engine: DockerEngine) -> None:
    """Exit code 0 without a restart policy; a service that was stopped is another matter."""
    engine.run("job", "true")
    engine.run("service", "true", restart_policy={"Name": "on-failure"})
    engine.run("failed-job", "exit 2")
    for name in ("job", "service", "failed-job"):
        engine.wait_state(name, "exited")
    room = Room(engine, "*job", "service")

    assert sorted(signal.labels["container"] for signal in room.look()) == ["failed-job", "service"]
    strict = Room(engine, "*job", "service", expected=["job"], ignore=["*-job", "service"])
    assert [signal.labels["container"] for signal in strict.look()] == ["job"]


def test_an_engine_that_hangs_is_given_up_in_time(server: DockerEngine) -> None:
    """It accepts the connection and says nothing."""
    room = Room(server, "lianel-*", time_limit="1 s")
    server.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(SourceUnavailable, match="does not answer"):
            room.look()
        assert time.monotonic() - started < 2
    finally:
        server.thaw()


def test_an_engine_that_is_down_is_said_to_be(server: DockerEngine) -> None:
    """Nothing is taken for resolved, and after its start the look goes on."""
    server.clear()
    server.run("lianel-energy-service", "exit 1")
    server.wait_state("lianel-energy-service", "exited")
    room = Room(server, "lianel-energy-service")
    [signal] = room.look()
    server.kill()

    with pytest.raises(SourceUnavailable, match=r"the Docker Engine at unix://.* does not answer"):
        room.look()

    server.start()
    assert room.look() == []
    assert list(room.cursor["firing"]) == [signal.fingerprint]
    server.clear()
    assert [(signal.name, signal.firing) for signal in room.look()] == [("ContainerDown", False)]
