"""GET JSON, bounded, and errors that tell no secrets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from incident_response.clients.http_json import HttpRefused, JsonHttp
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from tests.support.answers import Answers


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as server:
        yield server


def get(connection: Connection, path: str = "/x", *, seconds: float = 5, limit: int = 1000) -> Any:
    with JsonHttp("logs", "my_conn", connection, seconds, limit=limit) as http:
        return http.get(path)


def error(connection: Connection, **bounds: Any) -> str:
    with pytest.raises(SourceUnavailable) as caught:
        get(connection, **bounds)
    return str(caught.value)


class TestAccess:
    """What the connection says."""

    def test_login_and_password_are_basic_auth(self, server: Answers) -> None:
        """With parameters and headers of the caller beside it."""
        server.on["/base/x"] = {"a": 1}
        connection = Connection(f"{server.url}/base/", login="u", password="p")
        with JsonHttp("logs", "my_conn", connection, 5) as http:
            assert http.get("/x", {"query": "up == 0"}, {"X-Scope-OrgID": "team"}) == {"a": 1}
        (asked,) = server.asked
        assert asked.params == {"query": "up == 0"}
        assert asked.headers["Authorization"] == "Basic dTpw"
        assert asked.headers["X-Scope-OrgID"] == "team"

    def test_a_bearer_token_beats_a_login(self, server: Answers) -> None:
        """Whoever adds a token means it."""
        server.on["/x"] = []
        get(replace(server.connection, login="u", extra={"bearer_token": " t0k "}))
        assert server.asked[0].headers["Authorization"] == "Bearer t0k"

    def test_credentials_in_the_url_are_used_and_not_shown(
        self, server: Answers, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither in the log of requests nor in an error."""
        caplog.set_level("INFO")
        connection = Connection(server.url.replace("://", "://u:hunter2@"))
        assert "hunter2" not in error(connection) + caplog.text
        assert server.asked[0].headers["Authorization"].startswith("Basic ")

    @pytest.mark.parametrize(
        ("connection", "problem"),
        [
            (Connection(""), "no http:// or https:// URL"),
            (Connection("ftp://h"), "no http:// or https:// URL"),
            (Connection("http://u:hunter2@h:port"), "its URL cannot be read"),
            (Connection("https://h", extra={"verify": "/no/such/file"}), "extra.verify"),
            (Connection("http://h", extra={"bearer_token": "hunter2\nX: y"}), "extra.bearer_token"),
        ],
    )
    def test_a_connection_that_cannot_be_used_is_named(self, connection: Connection, problem: str) -> None:
        """Without what is in it."""
        text = error(connection)
        assert problem in text
        assert text.endswith("correct the connection 'my_conn'")
        assert "hunter2" not in text

    def test_a_file_that_is_no_certificate_is_refused(self, tmp_path: Path) -> None:
        """`verify` must not quietly become true."""
        (tmp_path / "ca.pem").write_text("nothing")
        assert "extra.verify" in error(Connection("https://h", extra={"verify": str(tmp_path / "ca.pem")}))


class TestAnswers:
    """What comes back."""

    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            (302, "check the URL"),
            (400, "correct what is asked"),
            (401, "check login, password or bearer_token"),
            (404, "check the URL"),
            (429, "it is asked again at its next turn"),
            (503, "it is asked again at its next turn"),
        ],
    )
    def test_a_refusal_tells_status_reason_and_remedy(
        self, server: Answers, status: int, remedy: str
    ) -> None:
        """The reason is redacted, it may quote what was sent."""
        server.on["/x"] = (status, '{"error": "no\\nAuthorization: Bearer hunter2"}')
        with pytest.raises(HttpRefused) as caught:
            get(server.connection)
        assert caught.value.status == status
        assert f"logs: {server.url} answered /x with HTTP {status}: no; {remedy}" in str(caught.value)

    @pytest.mark.parametrize("text", ["<html>Log in</html>", "", '{"a":', "[" * 500])
    def test_what_is_not_json_is_an_error(self, server: Answers, text: str) -> None:
        """A proxy's login page above all."""
        server.on["/x"] = (200, text)
        assert "not JSON" in error(server.connection)

    def test_a_page_is_not_quoted(self, server: Answers) -> None:
        """Nobody can read it in a line."""
        server.on["/x"] = (502, "<html>Bad gateway</html>")
        assert "HTTP 502; it is asked again" in error(server.connection)

    def test_an_answer_that_is_too_large_is_given_up(self, server: Answers) -> None:
        """As soon as that is clear."""
        server.on["/x"] = ["x" * 2000]
        assert "larger than 0.001 MB" in error(server.connection)


class TestTime:
    """All requests together end in time."""

    def test_a_server_that_drips_is_cut_off(self, server: Answers) -> None:
        """Each byte comes in time, the answer does not."""
        server.on["/x"], server.drip = ["x" * 100], 0.1
        began = time.monotonic()
        assert "did not answer /x within 0." in error(server.connection, seconds=0.5)
        assert time.monotonic() - began < 1.5

    def test_a_server_that_says_nothing_is_given_up(self, server: Answers) -> None:
        """And what comes after it has no time left."""
        server.on["/x"] = lambda _: (server.hang(1), {})[1]
        with JsonHttp("logs", "my_conn", server.connection, 0.3) as http:
            with pytest.raises(SourceUnavailable, match=r"did not answer /x within 0\."):
                http.get("/x")
            with pytest.raises(SourceUnavailable, match="no time was left to ask for /y; give it more time"):
                http.get("/y")

    def test_one_request_can_be_given_less_time_than_all(self, server: Answers) -> None:
        """The next one still works, on a new connection."""
        server.on = {"/x": lambda _: (server.hang(1), {})[1], "/y": {"b": 2}}
        with JsonHttp("logs", "my_conn", server.connection, 5) as http:
            with pytest.raises(SourceUnavailable):
                http.get("/x", seconds=0.2)
            assert http.get("/y") == {"b": 2}

    def test_a_cut_that_comes_late_spares_the_next_request(self, server: Answers) -> None:
        """httpx gives up at the same moment: the cut is over before anything else is asked."""

        class Slow(JsonHttp):
            def _cut(self) -> None:
                time.sleep(0.3)
                super()._cut()

        server.on = {"/x": lambda _: (server.hang(1), {})[1], "/y": lambda _: (server.hang(0.5), {"b": 2})[1]}
        with Slow("logs", "my_conn", server.connection, 5) as http:
            with pytest.raises(SourceUnavailable):
                http.get("/x", seconds=0.2)
            assert http.get("/y") == {"b": 2}
