"""Docker actions without an engine: who is meant, what a check makes of a state, what a proxy refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.actions import docker_container
from incident_response.actions.docker_container import judge
from incident_response.actions.docker_inspect import _clean
from incident_response.actions.docker_looking import presentable
from incident_response.actions.docker_targets import allowed, allowed_targets, targets
from incident_response.clients.docker_stream import last, pieces
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Kind
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured, OutcomeUnknown, Refused, SourceUnavailable
from incident_response.domain.services import Container, Service, ServiceMap
from incident_response.parameters.docker_steps import MODELS, Inspect, RaiseMemory, Restart
from tests.support.docker_bench import Bench, service
from tests.support.scenes import incident, scene, sighting
from tests.support.web_server import WebServer

T0 = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
GRACE, SETTLE = timedelta(seconds=60), timedelta(seconds=10)
MAP = ServiceMap(
    [
        Service("db", ("postgres",)),
        Service("api", ("localhost:3001",), ("db",), Container("api-1", automation=True)),
        Service("broker", (), (), Container("redis-1")),
    ]
)


class TestTargets:
    @pytest.mark.parametrize(
        ("about", "labels", "names"),
        [
            ("api", {}, ("api-1",)),
            ("api", {"service": "api", "container": "api-2"}, ("api-2",)),
            ("api", {"instance": "localhost:3001", "name": "api"}, ("api-1",)),
            ("api", {"service": "db", "container": "db-1"}, ("api-1",)),  # a consequence, or a cause
            ("api", {"service": "api", "container": "../../info"}, ("api-1",)),
            ("db", {}, ()),
            ("db", {"service": "db", "container": "pg"}, ("pg",)),
            ("new", {}, ("new",)),
            ("no container: 1", {}, ()),
        ],
    )
    def test_of_an_incident(self, about: str, labels: dict[str, str], names: tuple[str, ...]) -> None:
        seen = [sighting("docker", firing=True, details=None, **labels)] if labels else []
        assert targets(scene(incident(about), Inspect(), seen), MAP) == names

    def test_what_the_step_names_comes_first(self) -> None:
        """Each once."""
        given = Inspect(containers=("x", "y", "x"))
        assert targets(scene(incident("api"), given), MAP) == ("x", "y")

    def test_the_allow_list(self) -> None:
        """The remedy is named."""
        assert allowed("api-1", MAP).name == "api-1"
        with pytest.raises(Refused, match=r"its `container` in include/policy/services\.yaml does not say"):
            allowed("redis-1", MAP)
        with pytest.raises(Refused, match=r"`container: \{name: db, automation: true\}` to its service in"):
            allowed("db", MAP)
        with pytest.raises(Refused, match="no container is known for the service 'db'"):
            allowed_targets(scene(incident("db"), Restart()), MAP)


def seen(
    state: str = "running",
    health: str = "",
    age: float = 5,
    restarts: int = 0,
    policy: str = "no",
    probe: int = 0,
) -> docker_container.Seen:
    started = (T0 - timedelta(seconds=age)).isoformat().replace("+00:00", ".0Z")
    checks = {"Health": {"Status": health, "Log": [{"ExitCode": probe, "Output": "no answer"}]}}
    said = {
        "Name": "/api",
        "Id": "a" * 64,
        "State": {"Status": state, "StartedAt": started, "ExitCode": 1, **(checks if health else {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": policy}},
    }
    return docker_container.of(said)


class TestJudge:
    @pytest.mark.parametrize(
        ("found", "since", "proven"),
        [
            # what is seen, so many seconds after the remediation did something, what it means
            (seen(health="healthy"), 5, True),
            (seen(age=9), 9, None),
            (seen(age=10), 10, True),
            (seen(health="starting"), 5, None),
            (seen(health="starting", age=300), 300, None),  # its check has not said anything yet
            (seen(health="starting", age=61, probe=1), 61, False),
            (seen(health="unhealthy", age=59), 59, None),
            (seen(health="unhealthy", age=61), 61, False),
            (seen(health="unhealthy", age=900), 30, None),  # behind a dependency that is back for 30 s
            (seen("exited"), 5, False),
            (seen("exited", policy="always"), 5, None),
            (seen("exited", policy="always", age=61), 61, False),
            (seen("restarting", policy="always"), 5, None),
            (seen("restarting", policy="always", age=1, restarts=5), 61, False),
            (seen("paused"), 5, None),
            (seen("paused", age=90), 61, False),
            (seen(age=20, restarts=2, policy="always"), 70, True),  # restarted within its grace
            (seen(age=5, restarts=2, policy="always"), 70, False),  # and after it
            (seen(age=5), 70, None),  # by a person: that is a new start
            (seen(health="healthy", age=5, restarts=1, policy="always"), 20, None),
            (None, 5, None),
            (None, 61, False),
            (None, None, False),
            (seen(health="unhealthy", age=61), None, False),
            (seen(age=61), None, True),
        ],
    )  # fmt: skip
    def test_a_state(
        self, found: docker_container.Seen | None, since: float | None, proven: bool | None
    ) -> None:
        began = None if since is None else T0 - timedelta(seconds=since)
        assert judge("api", found, GRACE, SETTLE, T0, began).proven is proven


class TestEvidence:
    @pytest.mark.parametrize(
        ("words", "shown"),
        [
            (["redis", "--requirepass", "hunter2"], ["redis", "--requirepass", "***"]),
            (["app", "--password=hunter2", "x"], ["app", "--password=***", "x"]),
            (["psql", "postgresql://me:hunter2@db/x"], ["psql", "postgresql://me:***@db/x"]),
            (["app", "--port", "80"], ["app", "--port", "80"]),
        ],
    )
    def test_commands(self, words: list[str], shown: list[str]) -> None:
        assert _clean({"Cmd": words}) == {"Cmd": shown}

    def test_labels_and_long_texts(self) -> None:
        """By their names, too; the end of what a check said is kept."""
        cleaned = _clean({"Labels": {"api_token": "hunter2", "team": "blue"}, "Output": "x" * 9000 + "end"})
        assert cleaned["Labels"] == {"api_token": "***", "team": "blue"}
        assert len(cleaned["Output"]) < 2100
        assert cleaned["Output"].endswith("end")

    def test_what_programs_print(self) -> None:
        """Colours and zeros go, line ends stay."""
        assert presentable("\x1b[31mred\x1b[0m\x00 \ttab\r\ntoken=abc") == "red  \ttab\ntoken=***"
        assert len(presentable("x" * 300_000)) <= 64_000


def frame(stream: int, text: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


class TestStream:
    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    def test_frames_become_one_text(self, size: int) -> None:
        """However the wire cuts them."""
        raw = frame(1, b"out\n") + frame(2, b"") + frame(2, b"err\n")
        assert last(pieces(cut(raw, size), tty=False), 100, 100, lambda: 1.0) == ("out\nerr\n", True)

    def test_a_terminal_has_no_frames(self) -> None:
        assert last(pieces(cut(frame(1, b"as it is"), 3), tty=True), 8, 100, lambda: 1.0) == (
            "as it is",
            True,
        )

    def test_the_end_is_kept(self) -> None:
        raw = b"".join(frame(1, b"%03d\n" % number) for number in range(100))
        assert last(pieces(cut(raw, 50), tty=False), 8, 10_000, lambda: 1.0) == ("098\n099\n", True)

    def test_it_gives_up(self) -> None:
        """After so many bytes, or when the time is over."""
        raw = [frame(1, b"aaaa") * 3]
        assert last(pieces(raw, tty=False), 100, 8, lambda: 1.0) == ("aaaaaaaa", False)
        assert last(pieces(raw, tty=False), 100, 100, lambda: 0.0) == ("aaaa", False)

    @pytest.mark.parametrize(
        ("odd", "kept"),
        [(b"", ""), (b"\1\0", ""), (b"plain text without frames", ""), (frame(1, b"cut")[:-1], "cu")],
    )
    def test_what_is_no_frame_ends_it(self, odd: bytes, kept: str) -> None:
        """A wrong length does not make it read without end; what came of a frame that broke off is kept."""
        assert last(pieces([odd], tty=False), 100, 100, lambda: 1.0) == (kept, True)


def cut(raw: bytes, size: int) -> list[bytes]:
    return [raw[begin : begin + size] for begin in range(0, len(raw), size)]


class TestParameters:
    def test_each_says_what_it_does(self) -> None:
        kinds = {model.action: model.kind for model in MODELS}
        assert len(kinds) == 12
        assert kinds["docker.healthy"] is Kind.CHECKS
        for model in MODELS:
            assert (model.__doc__ or "").strip()
            wanted = "_write" if model.kind is Kind.CHANGES else ""
            assert model.model_validate({}).connections == (f"incident_response_docker{wanted}",)

    @pytest.mark.parametrize(
        ("model", "given"),
        [
            (Restart, {"containers": ["../x"]}),
            (Restart, {"container": ["x"]}),
            (Restart, {"stop_within": "1 h"}),
            (RaiseMemory, {"factor": 1}),
            (RaiseMemory, {"ceiling": "plenty"}),
        ],
    )
    def test_mistakes(self, model: Any, given: Mapping[str, Any]) -> None:
        with pytest.raises(ValidationError):
            model.model_validate(given)


@pytest.fixture
def proxy() -> Iterator[WebServer]:
    """Stands before an engine, and answers every question with its version."""
    with WebServer() as server:
        server.body = json.dumps({"ApiVersion": "1.41"}).encode()
        yield server


class TestWriting:
    def test_a_proxy_that_refuses(self, proxy: WebServer) -> None:
        """What it must allow is said."""
        engine = WritingEngine("docker.restart", Connection(proxy.url), 5)
        proxy.status = 403
        with pytest.raises(NotConfigured, match=r"answers 403 to POST /containers/\*/restart; let the proxy"):
            engine.restart("a" * 64, 10)
        with pytest.raises(NotConfigured, match=r"POST /containers/\*/exec"):
            engine.execute("a" * 64, ["nginx", "-t"], 5)

    def test_an_engine_that_refuses(self, proxy: WebServer) -> None:
        """With its own words, without secrets; what is in this state already is fine."""
        engine = WritingEngine("docker.start", Connection(proxy.url), 5)
        proxy.status, proxy.body = 500, b'{"message": "mount failed: password=hunter2"}'
        with pytest.raises(
            Refused, match=r"answers 500 to POST /containers/\*/start: mount .*=\*\*\*"
        ) as caught:
            engine.start("a" * 64)
        assert "hunter2" not in str(caught.value)
        proxy.status, proxy.body = 304, b""
        engine.start("a" * 64)

    def test_an_answer_that_does_not_come(self, proxy: WebServer) -> None:
        """Nobody says that nothing was done."""
        engine = WritingEngine("docker.stop", Connection(proxy.url), 0.5)
        proxy.delay = 5
        with pytest.raises(OutcomeUnknown, match=r"POST /containers/\*/stop for aaaaaaaaaaaa"):
            engine.stop("a" * 64, 1)

    def test_no_password_of_a_connection_is_told(self) -> None:
        """Nor is it in the error of the connection."""
        bench = Bench("tcp://admin:hunter2@127.0.0.1:1", ServiceMap([service("api")]))
        for action in ("docker.restart", "docker.raise_memory", "docker.restart_in_order"):
            with pytest.raises(SourceUnavailable, match="does not answer") as caught:
                bench.plan(action)
            assert "hunter2" not in str(caught.value)

    def test_a_connection_that_is_missing(self) -> None:
        """The reading one is no replacement."""
        bench = Bench("tcp://127.0.0.1:1", ServiceMap([service("api")]))
        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_INCIDENT_RESPONSE_DOCKER_WRIT"):
            bench.plan("docker.restart", conn_id="incident_response_docker_writ")
