"""A server that drips, a byte now and then, ends at the deadline of the look, whoever asks."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from incident_response.airflow_api import AirflowApi
from incident_response.clients.docker_api import Engine
from incident_response.clients.http_json import JsonHttp
from incident_response.detectors.loki_api import LokiApi, Unanswered
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowUnavailable, SourceUnavailable
from incident_response.http_until import bounded, within

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n"


class Dripping:
    """Sends `at_once`, then a byte every tenth of a second, for ever."""

    def __init__(self, listener: socket.socket, at_once: bytes, drip: bytes) -> None:
        self._listener, self._at_once, self._drip = listener, at_once, drip
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with closing(link):
            try:
                link.recv(65536)
                link.sendall(self._at_once)
                while not self.stopped.wait(0.1):
                    link.sendall(self._drip)
            except OSError:
                return


@pytest.fixture(params=["body", "head"])
def drip(request: pytest.FixtureRequest) -> tuple[bytes, bytes]:
    """What comes at once, and what drips."""
    return (HEAD, b" ") if request.param == "body" else (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")


@pytest.fixture
def port(drip: tuple[bytes, bytes]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Dripping(listener, *drip)
        yield listener.getsockname()[1]
        server.stopped.set()


def lasting(call: Callable[[], object], error: type[Exception]) -> float:
    began = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - began


def test_a_docker_engine_that_drips_ends_with_the_look(port: int) -> None:
    """By TCP."""
    found = Connection(f"tcp://127.0.0.1:{port}")
    assert lasting(lambda: Engine("docker", found, 1.0), SourceUnavailable) < 2


def test_a_docker_engine_that_drips_on_its_socket_ends_with_the_look(drip: tuple[bytes, bytes]) -> None:
    """By its socket."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "d.sock"
        listener.bind(str(path))
        listener.listen()
        server = Dripping(listener, *drip)
        found = Connection(f"unix://{path}")
        assert lasting(lambda: Engine("docker", found, 1.0), SourceUnavailable) < 2
        server.stopped.set()


def test_a_loki_that_drips_ends_with_the_look(port: int) -> None:
    """Its own thread, too, not only who waits for it."""
    with LokiApi(Connection(f"http://127.0.0.1:{port}"), 1.0) as api:
        assert lasting(lambda: api.ask("query", {"query": "x"}), Unanswered) < 2


def test_an_airflow_that_drips_ends_in_time(port: int) -> None:
    """The login is the first request."""
    api = AirflowApi(lambda: Connection(f"http://127.0.0.1:{port}", "u", "p"), timeout=1.0)
    assert lasting(lambda: api.get("/version"), AirflowUnavailable) < 2


def test_json_that_drips_ends_in_time(port: int) -> None:
    """Prometheus, Alertmanager."""
    with JsonHttp("prometheus", "c", Connection(f"http://127.0.0.1:{port}"), 1.0) as http:
        assert lasting(lambda: http.get("/api/v1/alerts"), SourceUnavailable) < 2


def test_the_earlier_end_counts(port: int) -> None:
    """An inner one does not prolong an outer one."""

    def asked() -> None:
        with bounded(httpx.Client()) as client, within(0.5), within(30):
            client.get(f"http://127.0.0.1:{port}/", timeout=10)

    assert lasting(asked, httpx.TimeoutException) < 1.5
