"""What is made of an engine's words: limits, memory, labels, and how few questions are asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from pydantic import ValidationError

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_facts import moment, used
from incident_response.clients.docker_wire import engine_url
from incident_response.detectors import docker_engine
from incident_response.detectors.docker_engine import DockerDetector
from incident_response.detectors.docker_rows import Row
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured, SourceUnavailable
from incident_response.domain.ports import Observation
from incident_response.domain.signals import Signal
from incident_response.sources.docker_engine import DockerSource, component_of
from tests.support.certificates import Authority
from tests.support.web_server import WebServer

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


class FakeEngine:
    """Containers that a test describes, and a list of the questions that were asked."""

    def __init__(self) -> None:
        self.containers_there: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.time: datetime | None = None
        self.left = 10.0

    def put(self, name: str, state: str = "running", status: str = "Up 3 hours", **facts: Any) -> None:
        """`facts`: code, oom, finished, started, restarts, policy, limit, usage, probe."""
        self.containers_there[name] = {"state": state, "status": status, **facts}

    def __call__(self, name: str, connection: Connection, seconds: float) -> FakeEngine:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def containers(self) -> list[dict[str, Any]]:
        self.asked.append("list")
        return [
            {"Id": name * 20, "Names": [f"/other/{name}", f"/{name}"], "Image": "app:1",
             "State": one["state"], "Status": one["status"]}
            for name, one in self.containers_there.items()
        ]  # fmt: skip

    def inspect(self, container: str) -> dict[str, Any] | None:
        _, one = self._find("inspect", container)
        if one is None:
            return None
        health = {"FailingStreak": 3, "Log": [{"ExitCode": one.get("probe", 1), "Output": "token=abc away"}]}
        return {
            "State": {
                "ExitCode": one.get("code", 0),
                "OOMKilled": one.get("oom", False),
                "Error": "",
                "StartedAt": one.get("started", at(-180)).isoformat(),
                "FinishedAt": one.get("finished", at(-1)).isoformat(),
                "Health": health,
            },
            "RestartCount": one.get("restarts", 0),
            "HostConfig": {
                "Memory": one.get("limit", 0),
                "RestartPolicy": {"Name": one.get("policy", "always")},
            },
        }

    def stats(self, container: str) -> dict[str, Any] | None:
        _, one = self._find("stats", container)
        return one and {"memory_stats": {"usage": one["usage"], "limit": one["limit"]}}

    def oom_events(self, since: int, until: int) -> list[dict[str, Any]]:
        self.asked.append("events")
        return [event for event in self.events if since <= event["time"] <= until]

    def _find(self, question: str, container: str) -> tuple[str, dict[str, Any] | None]:
        name = next((name for name in self.containers_there if (name * 20)[:12] == container), "")
        self.asked.append(f"{question} {name}")
        if name in self.silent:
            raise SourceUnavailable("docker: no answer")
        return name, self.containers_there.get(name)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made = FakeEngine()
    monkeypatch.setattr(docker_engine, "Engine", made)
    return made


class Watcher:
    """A detector with its cursor; each poll goes through JSON, as the store does."""

    def __init__(self, **settings: Any) -> None:
        source = DockerSource.model_validate({"name": "docker", "kind": "docker", **settings})
        self.detector = DockerDetector(source, lambda _: Connection("unix:///nowhere.sock"))
        self.cursor: Mapping[str, Any] = {}

    def poll(self, minutes: float = 0) -> list[Signal]:
        seen: Observation = self.detector.poll(json.loads(json.dumps(self.cursor)), at(minutes))
        assert seen.cursor is not None
        self.cursor = seen.cursor
        return list(seen.signals)


def told(signals: list[Signal]) -> list[tuple[str, str, bool]]:
    return [(signal.name, signal.labels["container"], signal.firing) for signal in signals]


class TestQuestions:
    """As few as possible."""

    def test_a_quiet_engine_is_asked_twice(self, engine: FakeEngine) -> None:
        """Containers that run for hours are inspected once in a while, for their memory limit."""
        for name in "abc":
            engine.put(name)
        watcher = Watcher()
        watcher.poll()
        engine.asked.clear()

        watcher.poll(1)
        assert engine.asked == ["list", "events"]
        watcher.poll(20)
        assert sorted(engine.asked[2:]) == ["events", "inspect a", "inspect b", "inspect c", "list"]

    def test_figures_are_asked_for_limited_containers_only(self, engine: FakeEngine) -> None:
        """The others have no limit to be near of."""
        engine.put("a", limit=100, usage=10)
        engine.put("b")
        engine.put("c", "paused", "Up 3 hours (Paused)", limit=100, usage=10)
        watcher = Watcher()
        watcher.poll()
        engine.asked.clear()

        watcher.poll(1)

        assert engine.asked == ["list", "events", "stats a"]

    def test_a_finished_job_is_inspected_once(self, engine: FakeEngine) -> None:
        """And told never."""
        engine.put("job", "exited", "Exited (0) 2 days ago", policy="no")
        watcher = Watcher()
        assert watcher.poll() == watcher.poll(1) == []
        assert engine.asked.count("inspect job") == 1

        engine.put("job", "exited", "Exited (1) 2 seconds ago", policy="no", code=1)
        assert told(watcher.poll(2)) == [("ContainerDown", "job", True)]

    def test_events_can_be_left_out(self, engine: FakeEngine) -> None:
        """For a proxy that refuses them."""
        Watcher(events=False).poll()

        assert "events" not in engine.asked

    def test_a_container_that_does_not_answer_is_not_taken_for_recovered(self, engine: FakeEngine) -> None:
        """The others are judged; when none answers, the engine is said to be away."""
        engine.put("a", "exited", "Exited (1) 1 hour ago", code=1)
        engine.put("b", "exited", "Exited (1) 1 hour ago", code=1)
        watcher = Watcher()
        watcher.poll()
        engine.silent = {"a"}

        assert watcher.poll(1) == []
        assert len(watcher.cursor["firing"]) == 2
        engine.silent = {"a", "b"}
        with pytest.raises(SourceUnavailable):
            watcher.poll(2)

    def test_a_container_that_is_gone_when_asked_is_gone(self, engine: FakeEngine) -> None:
        """It was removed between two questions."""
        engine.put("a", "exited", "Exited (1) 1 hour ago", code=1)
        row = engine.containers()
        engine.containers_there.clear()
        engine.containers = lambda: row  # type: ignore[method-assign]

        assert Watcher().poll() == []


class TestDown:
    """Containers that do not run."""

    def test_a_moment_is_a_deployment(self, engine: FakeEngine) -> None:
        """By the time of its end, or for a missing one by the first time it was missed."""
        engine.put("a", "exited", "Exited (143) 5 seconds ago", code=143, finished=at(-0.1))
        watcher = Watcher(expected=["b"])

        assert watcher.poll() == []
        a, b = watcher.poll(0.5)
        assert a.summary == "Container a exited with code 143 (SIGTERM)"
        assert (a.occurred_at, b.occurred_at) == (at(-0.1), T0)
        assert b.summary == "Container b does not exist"

    def test_what_was_created_is_down_only_when_it_is_expected(self, engine: FakeEngine) -> None:
        """Somebody may be about to start it."""
        engine.put("a", "created", "Created")
        engine.put("b", "created", "Created")
        watcher = Watcher(expected=["b"], down_for="0 s")

        assert told(watcher.poll()) == [("ContainerDown", "b", True)]

    @pytest.mark.parametrize(
        ("name", "component"),
        [
            ("dc-airflow-worker-1", "airflow"),
            ("dc-redis-1", "redis"),
            ("nginx-proxy", "nginx"),
            ("keycloak", "infrastructure"),
        ],
    )
    def test_component_by_name(self, name: str, component: str) -> None:
        """As in the platform's alerts."""
        assert component_of(name) == component


class TestHealth:
    """Health checks."""

    @pytest.mark.parametrize(
        ("health", "age", "probe", "found"),
        [
            ("unhealthy", 10, 1, True),
            ("unhealthy", 1, 1, False),  # it has just started
            ("health: starting", 1, 1, False),
            ("health: starting", 10, 1, True),  # its check fails for longer than it may
            ("health: starting", 10, 0, False),  # its check has not failed yet
            ("healthy", 10, 0, False),
        ],
    )
    def test_only_after_the_time_to_start(
        self, engine: FakeEngine, health: str, age: float, probe: int, found: bool
    ) -> None:
        """Identity takes up to two minutes."""
        engine.put("keycloak", status=f"Up {age} minutes ({health})", started=at(-age), probe=probe)
        signals = Watcher(containers=[{"name": "key*", "service": "identity", "start_grace": "2 min"}]).poll()

        assert [signal.name for signal in signals] == ["ContainerUnhealthy"] * found
        for signal in signals:
            assert signal.labels["service"] == "identity"
            assert signal.details["check_said"] == "token=*** away"


class TestRestarts:
    """Loops."""

    def test_so_many_in_so_much_time(self, engine: FakeEngine) -> None:
        """And until there was none for as long."""
        watcher = Watcher(restarts={"count": 3, "within": "10 min"})
        for minute, count in enumerate([7, 8, 9]):  # what was counted before is no loop now
            engine.put("a", status="Up 20 seconds", restarts=count)
            assert watcher.poll(minute) == []
        engine.put("a", status="Up 20 seconds", restarts=10)
        [signal] = watcher.poll(3)
        assert signal.summary == "Container a was restarted 3 times within 10 min (limit 3)"
        engine.put("a", status="Up 9 minutes", restarts=10)
        assert told(watcher.poll(12)) == [("ContainerRestarting", "a", True)]  # again, but not ended
        engine.put("a", status="Up 11 minutes", restarts=10)
        assert told(watcher.poll(14)) == [("ContainerRestarting", "a", False)]

    def test_a_loop_begins_at_the_count_last_seen(self, engine: FakeEngine) -> None:
        """Also when that was days ago, and the first restarts came between two looks."""
        engine.put("a", status="Up 2 days", restarts=4)
        watcher = Watcher()
        watcher.poll()
        watcher.poll(1)
        engine.put("a", status="Up 1 second", restarts=7)

        assert told(watcher.poll(2)) == [("ContainerRestarting", "a", True)]

    def test_one_that_waits_for_its_next_try_is_a_loop_at_first_sight(self, engine: FakeEngine) -> None:
        """With a count that has reached the limit."""
        engine.put("a", "restarting", "Restarting (3) 5 seconds ago", restarts=5, code=3)
        [signal] = Watcher().poll()
        assert signal.summary.endswith("; its last exit code is 3")

        engine.put("a", "restarting", "Restarting (3) 5 seconds ago", restarts=2, code=3)
        assert Watcher().poll() == []

    def test_started_by_a_person_it_begins_anew(self, engine: FakeEngine) -> None:
        """Docker sets its count to zero then."""
        engine.put("a", "restarting", "Restarting (3) 5 seconds ago", restarts=5)
        watcher = Watcher()
        watcher.poll()
        engine.put("a", status="Up 10 seconds", restarts=0)

        assert told(watcher.poll(1)) == [("ContainerRestarting", "a", False)]


class TestMemory:
    """Memory near the limit, and beyond."""

    def test_short_until_well_below(self, engine: FakeEngine) -> None:
        """Swinging around the limit opens one incident, not ten."""
        watcher = Watcher(memory_percent=90, memory_clear=80, repeat="1 h")
        seen = []
        for minute, usage in enumerate([89, 91, 85, 91, 81, 79, 85]):
            engine.put("a", limit=100, usage=usage)
            seen.append([signal.firing for signal in watcher.poll(minute)])

        assert seen == [[], [True], [], [], [], [False], []]

    @pytest.mark.parametrize(
        ("stats", "figure"),
        [
            ({"usage": 90, "limit": 100, "stats": {"total_inactive_file": 30}}, (60, 100)),
            ({"usage": 90, "limit": 100, "stats": {"inactive_file": 30}}, (60, 100)),
            ({"usage": 90, "limit": 100, "stats": {"inactive_file": 95}}, (90, 100)),
            ({}, None),  # it has just ended
        ],
    )
    def test_computed_as_docker_stats_does(self, stats: dict[str, Any], figure: object) -> None:
        """Without files that the kernel can drop; both generations of control groups."""
        assert used({"memory_stats": stats}) == figure

    def test_an_event_and_an_end_are_one_kill(self, engine: FakeEngine) -> None:
        """Whichever is seen first; another one later is another happening."""
        engine.put("a", "exited", "Exited (137) 1 minute ago", code=137, finished=at(-1))
        engine.events = [kill("a", at(-1.02))]
        watcher = Watcher()
        down, first = watcher.poll()
        assert down.summary == "Container a exited with code 137: killed, out of memory"
        engine.put("a", "exited", "Exited (137) 1 minute ago", code=137, oom=True, finished=at(-1))

        again = next(signal for signal in watcher.poll(6) if signal.name == "ContainerOOMKilled")
        assert again.occurrence == first.occurrence
        engine.put("a", "exited", "Exited (137) 1 second ago", code=137, oom=True, finished=at(11))
        other = next(signal for signal in watcher.poll(12) if signal.name == "ContainerOOMKilled")
        assert other.occurrence == f"{'a' * 12}@{at(11).isoformat()}"

    def test_an_old_kill_is_history(self, engine: FakeEngine) -> None:
        """The container is down all the same."""
        engine.put("a", "exited", "Exited (137) 2 days ago", code=137, oom=True, finished=at(-2880))

        [signal] = Watcher().poll()

        assert signal.name == "ContainerDown"

    def test_events_are_asked_by_the_engines_clock(self, engine: FakeEngine) -> None:
        """Asked about its future, it would wait for it."""
        engine.put("a")
        engine.time = at(-5)
        engine.events = [kill("a", at(-5.5))]
        watcher = Watcher()

        assert told(watcher.poll()) == [("ContainerOOMKilled", "a", True)]
        assert watcher.cursor["memory"]["events_until"] == int(at(-5).timestamp()) - 1

    def test_ignored_containers_are_ignored(self, engine: FakeEngine) -> None:
        """In everything."""
        engine.put("a", "exited", "Exited (137) 1 minute ago", code=137, oom=True)
        engine.events = [kill("b", at(-1))]

        assert Watcher(ignore=["a", "b*"]).poll() == []


def kill(name: str, when: datetime) -> dict[str, Any]:
    return {
        "Actor": {"ID": name * 20, "Attributes": {"name": name}},
        "time": int(when.timestamp()),
        "timeNano": int(when.timestamp() * 1e9),
    }


@pytest.mark.parametrize(
    ("status", "code", "health", "long_up"),
    [
        ("Up Less than a second", None, "", False),
        ("Up About a minute (health: starting)", None, "starting", False),
        ("Up 9 minutes (unhealthy)", None, "unhealthy", False),
        ("Up 11 minutes (healthy)", None, "healthy", True),
        ("Up About an hour", None, "", True),
        ("Up 3 weeks (Paused)", None, "", True),
        ("Exited (0) 2 hours ago", 0, "", False),
        ("Restarting (137) 2 seconds ago", 137, "", False),
        ("something new", None, "", False),
    ],
)
def test_what_a_line_of_the_list_tells(status: str, code: int | None, health: str, long_up: bool) -> None:
    """What it does not tell is asked for."""
    row = Row("1", "a", "app:1", "running", status)

    assert (row.exit_code, row.health) == (code, health)
    assert row.up_longer_than(timedelta(minutes=10)) is long_up


def test_times_of_docker() -> None:
    """With nanoseconds, with fewer digits, with a zone, and none at all."""
    assert moment("2026-03-01T02:00:00.123456789Z") == T0.replace(microsecond=123456)
    assert moment("2026-03-01T02:00:00.5Z") == T0.replace(microsecond=500000)
    assert moment("2026-03-01T03:00:00+01:00") == T0
    assert moment("0001-01-01T00:00:00Z") is None
    assert moment("") is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expected": ["web"], "ignore": ["w*"]}, "web is expected and ignored"),
        ({"memory_percent": 70, "memory_clear": 75}, "memory_clear 75 must be below memory_percent 70"),
        ({"containers": [{"name": "a", "memory_percent": 60, "memory_clear": 60}]}, "a: memory_clear 60"),
        ({"containers": []}, "at least 1 item"),
        ({"restarts": {"within": "2 h"}}, "less than or equal to"),
        ({"expected": ["a/b"]}, "should match pattern"),
        ({"contaners": ["a"]}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], message: str) -> None:
    """When the file is loaded, not when something is down."""
    with pytest.raises(ValidationError, match=message):
        DockerSource.model_validate({"name": "docker", "kind": "docker", **settings})


def test_a_limit_of_its_own_goes_without_the_sources_lower_bound() -> None:
    """Which could lie above it."""
    source = DockerSource.model_validate(
        {"name": "d", "memory_clear": 80, "containers": [{"name": "a", "memory_percent": 60}, "*"]}
    )

    a, b = source.terms("a"), source.terms("b")
    assert a is not None
    assert b is not None
    assert (a.memory_percent, a.memory_clear, b.memory_clear) == (60, 50, 80)


class TestConnection:
    """The way to the engine."""

    @pytest.mark.parametrize(
        ("connection", "url"),
        [
            (Connection("unix:///var/run/docker.sock"), "unix:///var/run/docker.sock"),
            (Connection("/var/run/docker.sock"), "unix:///var/run/docker.sock"),
            (Connection("tcp://proxy:2375"), "tcp://proxy:2375"),
            (Connection("tcp://proxy", port=2375), "tcp://proxy:2375"),
            (Connection("proxy"), "tcp://proxy:2375"),
            (Connection("tcp://proxy"), "tcp://proxy:2375"),
            (Connection("tcp://proxy:2399/docker/"), "tcp://proxy:2399/docker"),
            (Connection("https://proxy"), "https://proxy"),
            (Connection("proxy", extra={"tls_ca": "/ca.pem"}), "tcp://proxy:2376"),
        ],
    )
    def test_addresses(self, connection: Connection, url: str) -> None:
        """As people write them into a connection."""
        assert engine_url("docker", connection) == url

    @pytest.mark.parametrize("host", ["", "ssh://root:s3cret@host", "tcp://:s3cret@[:::1"])
    def test_no_address(self, host: str) -> None:
        """What to write is said; a password is not."""
        with pytest.raises(NotConfigured, match=r"write unix:///var/run/docker\.sock or tcp") as error:
            Engine("docker", Connection(host), 1)
        assert "s3cret" not in str(error.value)

    def test_a_connection_that_is_not_defined(self) -> None:
        """Its name and the remedy are said."""
        source = DockerSource(name="docker")
        assert source.connections == ("incident_response_docker",)
        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_INCIDENT_RESPONSE_DOCKER"):
            DockerDetector(source, lambda _: None).poll({}, T0)

    def test_nobody_answers(self, tmp_path: Path) -> None:
        """No such socket."""
        with pytest.raises(SourceUnavailable, match=r"does not answer .* check that it runs"):
            Engine("docker", Connection(f"unix://{tmp_path}/none.sock"), 1)

    def test_tls_files_that_are_not_there(self) -> None:
        """They lie on another machine, perhaps."""
        extra = {"tls_cert": "/none/cert.pem", "tls_key": "/none/key.pem"}
        with pytest.raises(NotConfigured, match="tls_ca, tls_cert and tls_key"):
            Engine("docker", Connection("proxy", extra=extra), 1)

    def test_who_we_are(self, tmp_path: Path) -> None:
        """An engine that only speaks to those whom its authority knows."""
        authority = Authority(tmp_path)
        pair = str(authority.issue("us", timedelta(days=9)))
        known = {"tls_ca": str(authority.file), "tls_cert": pair, "tls_key": pair}
        unknown = {"tls_ca": str(authority.file)}
        with WebServer(authority.issue("engine", timedelta(days=9)), clients=authority.file) as server:
            server.body = json.dumps({"ApiVersion": "1.41"}).encode()

            Engine("docker", Connection("127.0.0.1", port=server.port, extra=known), 5).close()
            with pytest.raises(SourceUnavailable, match="does not answer"):
                Engine("docker", Connection("127.0.0.1", port=server.port, extra=unknown), 5)

    def test_a_key_with_a_password_is_refused(self, tmp_path: Path) -> None:
        """Instead of asking for it at a terminal that is not there."""
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")
        )
        (tmp_path / "key.pem").write_bytes(key)
        pair = Authority(tmp_path).issue("us", timedelta(days=9))
        extra = {"tls_cert": str(pair), "tls_key": str(tmp_path / "key.pem")}
        with pytest.raises(NotConfigured, match="a TLS file cannot be used"):
            Engine("docker", Connection("proxy", extra=extra), 1)

    def test_login_and_password_go_to_the_proxy(
        self, proxy: WebServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        """From the connection or from its address; a password is not logged with it."""
        basic = "Basic " + base64.b64encode(b"me:s3cret").decode()
        with caplog.at_level("DEBUG"):
            Engine("docker", Connection(proxy.url, login="me", password="s3cret"), 5).close()
            Engine("docker", Connection(proxy.url.replace("//", "//me:s3cret@")), 5).close()

        assert [given for _, given in proxy.asked] == [basic, basic]
        assert "s3cret" not in caplog.text

    def test_a_proxy_that_refuses(self, proxy: WebServer) -> None:
        """What it must allow is said."""
        engine = Engine("docker", Connection(proxy.url), 5)
        proxy.status = 403

        with pytest.raises(SourceUnavailable, match=r"answers 403 to GET /containers/json.* CONTAINERS"):
            engine.containers()
        with pytest.raises(SourceUnavailable, match="or set `events: false`"):
            engine.oom_events(1, 2)

    def test_something_else_answers(self, proxy: WebServer) -> None:
        """Not in JSON, or without end."""
        engine = Engine("docker", Connection(proxy.url), 5)
        proxy.body = b"<html>"
        with pytest.raises(SourceUnavailable, match="is no Docker Engine"):
            engine.containers()
        proxy.body = b" " * (17 * 1024 * 1024)
        with pytest.raises(SourceUnavailable, match="is larger than"):
            engine.containers()

    def test_over_tls_with_an_authority_of_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And only with it, whatever the environment trusts."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
        authority = Authority(tmp_path)
        with WebServer(authority.issue("engine", timedelta(days=9))) as server:
            server.body = json.dumps({"ApiVersion": "1.41"}).encode()
            trusted = Connection("127.0.0.1", port=server.port, extra={"tls_ca": str(authority.file)})
            other = Authority(tmp_path, "other")
            stranger = Connection("127.0.0.1", port=server.port, extra={"tls_ca": str(other.file)})

            Engine("docker", trusted, 5).close()
            with pytest.raises(SourceUnavailable, match="does not answer"):
                Engine("docker", stranger, 5)


@pytest.fixture
def proxy() -> Iterator[WebServer]:
    """Something that answers every question with the version of an engine."""
    with WebServer() as server:
        server.body = json.dumps({"ApiVersion": "1.41"}).encode()
        yield server
