"""A server that speaks another language: what is wrong is known by SQLSTATE, not by English sentences."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from incident_response.clients import postgres_wire
from incident_response.clients.postgres_session import NoAnswer, Session
from incident_response.domain.connections import Connection
from tests.support.german_postgres import PASSWORD, GermanPostgres
from tests.support.processes import free_port
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GermanPostgres]:
    with GermanPostgres(tmp_path_factory.mktemp("german")) as server:
        wait_for(lambda: why(server.connection()) == "", "it lets us in", 20)
        yield server


def why(connection: Connection, seconds: float = 5) -> str:
    """The reason of a refusal, empty when we are let in."""
    try:
        Session(connection, seconds, "test").close()
    except NoAnswer as error:
        return error.refusal.reason
    return ""


@contextlib.contextmanager
def full(server: GermanPostgres, login: str, count: int) -> Iterator[None]:
    """With all connections of a login taken."""
    with ExitStack() as held:
        for _ in range(count):
            link = psycopg2.connect(
                host="127.0.0.1", port=server.port, user=login, password=PASSWORD, dbname="postgres"
            )
            held.enter_context(closing(link))
        yield


def run(server: GermanPostgres, *statements: str) -> None:
    link = psycopg2.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, dbname="postgres"
    )
    with closing(link):
        link.autocommit = True
        with link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"password": "falsch"}, "login", "Passwort-Authentifizierung"),
        ({"login": "niemand"}, "login", "Passwort-Authentifizierung"),
        ({"schema": "weg"}, "no database", "existiert nicht"),
    ],
)
def test_what_a_german_server_refuses_is_understood(
    server: GermanPostgres, changes: dict[str, str], reason: str, words: str
) -> None:
    """And is told in its words."""
    with pytest.raises(NoAnswer) as refused:
        Session(server.connection(**changes), 5, "test")
    assert refused.value.refusal.reason == reason
    assert words in refused.value.refusal.message
    assert PASSWORD not in refused.value.refusal.message


def test_no_connection_left_is_not_taken_for_a_server_that_is_down(server: GermanPostgres) -> None:
    """When all are taken, when the last ones are kept for superusers, when the role has a limit."""
    run(server, f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
    run(server, f"CREATE ROLE few LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1")
    with full(server, "few", 1):
        assert why(server.connection(login="few")) == "exhausted"
    with full(server, "app", 4):
        assert why(server.connection(login="app")) == "exhausted"
        with full(server, "postgres", 2):
            assert why(server.connection()) == "exhausted"
    wait_for(lambda: why(server.connection(login="app")) == "", "it lets us in again", 5)


def test_a_session_that_is_ended_knows_its_code(server: GermanPostgres) -> None:
    """57P01 in the middle of a question."""
    with closing(Session(server.connection(), 5, "test")) as session:
        session.ask("SELECT 1", {})
        run(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'")  # fmt: skip
        with pytest.raises(NoAnswer) as ended:
            session.ask("SELECT 1", {})
    assert ended.value.refusal.reason in ("stopping", "cut")


def test_a_login_by_md5_and_a_plain_one_are_heard_too(server: GermanPostgres) -> None:
    """As older servers ask."""
    file = server.data / "pg_hba.conf"
    before = file.read_text()
    run(server, "SET password_encryption = 'md5'", f"CREATE ROLE old LOGIN PASSWORD '{PASSWORD}'")
    try:
        for way in ("md5", "password"):
            file.write_text(before.replace("scram-sha-256", way))
            run(server, "SELECT pg_reload_conf()")
            time.sleep(0.3)
            heard = postgres_wire.hear(server.connection(login="old", schema="weg"), 5)
            assert heard is not None
            assert heard.code == "3D000"
    finally:
        file.write_text(before)
        run(server, "SELECT pg_reload_conf()")


def test_a_server_that_starts_is_not_down_and_one_that_is_down_is(tmp_path: Path) -> None:
    """A standby without its primary never ends to start."""
    with GermanPostgres(tmp_path) as own:
        own.kill()
        assert why(own.connection()) == "refused"
        (own.data / "standby.signal").touch()
        own.start(hot_standby="off", restore_command="/bin/false")
        wait_for(lambda: why(own.connection()) == "starting", "it starts", 10)


def test_a_port_where_nobody_listens_and_one_that_is_silent() -> None:
    """By the network's own errors, within the time."""
    closed = Connection("127.0.0.1", "u", "p", free_port(), "d", conn_type="postgres")
    assert why(closed) == "refused"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        connection = Connection("127.0.0.1", "u", "p", silent.getsockname()[1], "d", conn_type="postgres")
        assert why(connection, seconds=1) == "timeout"
        assert time.monotonic() - began < 2
