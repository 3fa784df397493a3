"""The thresholds of `postgres`, what refusals mean, and its configuration."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.clients.libpq import bounds, keywords
from incident_response.clients.postgres_refusals import refusal
from incident_response.clients.postgres_session import ask, database_of
from incident_response.detectors.postgres import PostgresDetector
from incident_response.detectors.postgres_findings import Finding, Judge
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.sources.postgres import PostgresSource
from tests.support.shipped import START

QUIET: dict[str, Any] = {
    "version": "15.8", "most": 103, "reserved": 3, "used": 10, "hidden": 0, "slow": 2, "states": {"idle": 10},
    "holders": None, "idle": 0, "idle_sessions": None, "running": 0, "running_sessions": None, "blocked": 0,
    "blocked_sessions": None, "blockers": None, "replicas": None, "replay": None, "size": None,
}  # fmt: skip


def source(**fields: Any) -> PostgresSource:
    return PostgresSource(**{"kind": "postgres", "name": "db", "conn_id": "lianel_energy_db", **fields})


def found(answer: dict[str, Any], *held: str, **fields: Any) -> list[Finding]:
    return Judge(source(**fields), "lianel_energy", frozenset(held)).findings({**QUIET, **answer})


def names(answer: dict[str, Any], *held: str, **fields: Any) -> list[str]:
    return [finding.name for finding in found(answer, *held, **fields)]


HIGH, FULL = "DatabaseConnectionsHigh", "DatabaseConnectionsExhausted"


@pytest.mark.parametrize(
    ("used", "held", "expected"),
    [
        (79, (), []),
        (80, (), [HIGH]),
        (76, (HIGH,), [HIGH]),
        (74, (HIGH,), []),
        (99, (), [HIGH]),
        (100, (), [FULL]),
        (100, (HIGH,), [FULL, HIGH]),
        (103, (), [FULL]),
        (96, (FULL,), [FULL]),
        (94, (FULL,), [HIGH]),
        (94, (FULL, HIGH), [HIGH]),
    ],
)
def test_connections_are_judged_with_hysteresis(
    used: int, held: tuple[str, ...], expected: list[str]
) -> None:
    """Of the hundred that ordinary users can have; what begins to fire ends later than it began."""
    assert names({"used": used}, *held) == expected


def test_a_threshold_of_null_is_not_looked_at() -> None:
    """Exhaustion has no switch: it is always told."""
    assert names({"used": 100}, connections_percent=None) == [FULL]
    assert names({"used": 95}, connections_percent=None) == []


@pytest.mark.parametrize("key", ["idle", "running"])
def test_sessions_are_counted_against_their_limit(key: str) -> None:
    """`count` sessions are needed; the longest one says for how long."""
    name = {"idle": "idle_in_transaction", "running": "long_running"}[key]
    shown = {"pid": 7, "user": "app", "query": "SELECT 'x'"}
    answer = {key: 2, f"{key}_sessions": [{"seconds": 900, "shown": shown}]}
    (finding,) = found(answer, **{name: {"after": "10 min", "count": 2}})
    assert "2 sessions are" in finding.summary
    assert "for up to 15 min (limit 10 min)" in finding.summary
    assert finding.age == 300
    assert finding.details["sessions"] == [{"seconds": 900, "pid": 7, "user": "app", "query": "SELECT '?'"}]
    assert found(answer, **{name: {"after": "10 min", "count": 3}}) == []
    assert found(answer, **{name: None}) == []


def test_a_prepared_transaction_can_hold_a_lock() -> None:
    """It has no session: pid 0."""
    waiting = {"seconds": 61, "relation": None, "mode": "ShareLock", "blockers": [0], "shown": {"pid": 5}}
    (finding,) = found({"blocked": 1, "blocked_sessions": [waiting], "blockers": [{"pid": 0, "blocks": 1}]})
    assert (
        "1 session is waiting for a lock that a prepared transaction holds, for up to 61 s" in finding.summary
    )


@pytest.mark.parametrize(
    ("place", "held", "fires"),
    [
        ({"seconds": 299, "bytes": 5}, False, False),
        ({"seconds": 300, "bytes": 5}, False, True),
        ({"seconds": 200, "bytes": None}, True, True),
        ({"seconds": 100, "bytes": None}, True, False),
        ({"seconds": None, "bytes": 2**30}, False, True),
    ],
)
def test_replication_lag_is_time_or_bytes(place: dict[str, Any], held: bool, fires: bool) -> None:
    """Whichever comes first; it ends at half the limit."""
    before = ("DatabaseReplicationLag",) if held else ()
    limits = {"time": "5 min", "bytes": "1 GB"}
    assert bool(names({"replicas": [place]}, *before, replication_lag=limits)) is fires
    assert bool(names({"replay": place}, *before, replication_lag=limits)) is fires


def test_the_size_is_told_in_words() -> None:
    """Only when a limit is set."""
    (finding,) = found({"size": 201 * 1024**3}, size="200 GB")
    assert finding.summary == "lianel_energy: the database has 201 GB (limit 200 GB)"
    assert names({"size": 199 * 1024**3}, size="200 GB") == []
    assert names({"size": 199 * 1024**3}, "DatabaseSizeHigh", size="200 GB") == ["DatabaseSizeHigh"]


AT = 'connection to server at "10.0.0.5", port 5432 failed: '


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"{AT}FATAL:  sorry, too many clients already\n", "exhausted"),
        (f"{AT}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
         "exhausted"),
        (f"{AT}FATAL:  remaining connection slots are reserved for non-replication superuser connections",
         "exhausted"),
        (f'{AT}FATAL:  too many connections for role "etl"', "exhausted"),
        (f"{AT}FATAL:  no more connections allowed (max_client_conn)", "exhausted"),
        (f'{AT}FATAL:  password authentication failed for user "etl"', "login"),
        (f"{AT}fe_sendauth: no password supplied", "login"),
        (f'{AT}FATAL:  no pg_hba.conf entry for host "10.0.0.1", SSL off', "login"),
        (f'{AT}FATAL:  database "lost" does not exist', "no database"),
        (f"{AT}FATAL:  the database system is starting up", "starting"),
        (f"{AT}FATAL:  the database system is shutting down", "stopping"),
        (f"{AT}Connection refused\n\tIs the server running on that host?", "refused"),
        (f"{AT}timeout expired", "timeout"),
        (f"{AT}server does not support SSL, but SSL was required", "tls"),
        (f"{AT}No route to host", "unreachable"),
        ('could not translate host name "db" to address: Name or service not known', "unknown host"),
        ("server closed the connection unexpectedly\n\tThis probably means…", "cut"),
        ("canceling statement due to statement timeout", "timeout"),
        ("no answer within 10 s", "timeout"),
        ("something nobody has seen before", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_a_refusal_is_known_by_its_message(message: str, reason: str) -> None:
    """As libpq 17 and servers from 10 to 18 write it."""
    assert refusal(message).reason == reason


def test_of_several_addresses_the_one_that_spoke_counts() -> None:
    """`localhost` is two addresses; that one is not listened to is no news."""
    both = f"{AT}Connection refused\n\tIs it running?\n{AT}FATAL:  sorry, too many clients already"
    assert refusal(both).message == "FATAL: sorry, too many clients already"


def test_a_password_in_a_message_is_masked() -> None:
    """libpq does not repeat it; a strange driver might."""
    assert "s3cret!" not in refusal("cannot use s3cret! here", "s3cret!").message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"connections_percent": {"warn": 70}}, "`clear` must not be above `warn`"),
        ({"size": "big"}, "200 GB"),
        ({"blocked": {"after": "soon"}}, "15 min"),
        ({"blocked": {"after": "1 min", "cuont": 2}}, "cuont"),
        ({"failures": 0}, "greater than or equal to 1"),
        ({"conn_id": ""}, "at least 1 character"),
        ({"kind": "mysql"}, "postgres"),
    ],
)
def test_bad_configuration_is_refused(fields: dict[str, Any], message: str) -> None:
    """With the field's name and the remedy."""
    with pytest.raises(ValidationError, match=message):
        source(**fields)


def test_an_undefined_connection_and_a_login_by_aws_are_told() -> None:
    """Neither is the database's failure."""
    assert source().connections == ("lianel_energy_db",)
    with pytest.raises(NotConfigured, match="AIRFLOW_CONN_LIANEL_ENERGY_DB"):
        PostgresDetector(source(), lambda _: None).poll({}, START)
    with pytest.raises(NotConfigured, match="AWS"):
        ask(Connection("db", extra={"iam": True}), "SELECT 1", {}, 1, "db")


def test_libpq_is_given_what_it_knows_and_an_end_to_each_wait() -> None:
    """Airflow's own extras are not for it."""
    extra = {"sslmode": "require", "cursor": "dictcursor", "sslcert": "", "sqlalchemy_scheme": "x"}
    assert keywords(Connection("db", extra=extra)) == {"sslmode": "require"}
    assert bounds(10)["connect_timeout"] == 10
    assert bounds(0.5)["connect_timeout"] == 2
    assert database_of(Connection("db", login="etl")) == "etl"
