"""Who is in the way, who must not be touched, and how statements are shown."""

from __future__ import annotations

from typing import Any

import pytest

from incident_response.actions.postgres_choice import choose
from incident_response.actions.postgres_matching import matches
from incident_response.actions.postgres_sessions import Backend, Root, Survey
from incident_response.actions.postgres_shown import exhibit, statement, text_exhibit
from incident_response.domain.errors import Refused
from incident_response.parameters.postgres_steps import Cancel, Ending, Terminate, Unblock

IDLE = Terminate(which="idle")


def backend(pid: int, **fields: Any) -> Backend:
    """An application's session that has been idle for an hour."""
    values: dict[str, Any] = {
        "pid": pid, "started": "2026-03-02 09:00:00+00", "database": "lianel_energy", "user": "app",
        "application": "web", "client": None, "type": "client backend", "state": "idle",
        "changed": "2026-03-02 09:00:01+00", "query_start": None, "xact_start": None, "query": "SELECT 1",
        "waits_on": None, "writes": False, "superuser": False, "hidden": False, "ours": True,
        "state_seconds": 3600.0, "query_seconds": 3600.0, "xact_seconds": None, "wait_seconds": None,
        "mode": None, "relation": None, "blockers": [],
    }  # fmt: skip
    return Backend(**{**values, **fields})


def waiting(pid: int, *blockers: int, seconds: float = 90) -> Backend:
    """A session that waits for a lock."""
    return backend(
        pid, state="active", waits_on="Lock", wait_seconds=seconds, mode="ShareLock", blockers=[*blockers]
    )


def survey(*sessions: Backend) -> Survey:
    return Survey("lianel_energy", "responder", "15.8", 97, sessions)


def chosen(wanted: Ending, *sessions: Backend) -> list[int]:
    choice = choose(survey(*sessions), wanted, cancel=isinstance(wanted, Cancel))
    return [each.backend.pid for each in choice.chosen]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"superuser": True}, "a superuser's session"),
        ({"application": "incident_response"}, "of incident response itself"),
        ({"user": "airflow"}, "protected by 'airflow%'"),
        ({"application": "Airflow_worker"}, "protected by 'airflow%'"),
        ({"application": "entsoe_ingestion"}, "protected by 'entsoe%'"),
        ({"application": "pg_dump"}, "protected by 'pg_dump%'"),
        ({"ours": False}, "GRANT pg_signal_backend TO responder"),
        ({"writes": True}, "set `writers: true`"),
    ],
)
def test_a_protected_session_is_refused_by_name(fields: dict[str, Any], why: str) -> None:
    """Alone it is a refusal with the list; beside another one it is spared, and the plan says so."""
    untouchable = backend(1, **fields)
    with pytest.raises(Refused, match=r"postgres\.terminate: nothing may be touched; .*pid 1 ") as error:
        chosen(IDLE, untouchable)
    assert why in str(error.value)
    choice = choose(survey(untouchable, backend(2)), IDLE, cancel=False)
    assert [each.backend.pid for each in choice.chosen] == [2]
    assert why in choice.spared[0]


def test_our_own_name_is_protected_whatever_the_list_says() -> None:
    """And a superuser, too."""
    wanted = Terminate(which="idle", protected=(), writers=True)
    assert chosen(wanted, backend(1, user="airflow", writes=True)) == [1]
    for fields in ({"application": "incident_response"}, {"superuser": True}):
        with pytest.raises(Refused):
            chosen(wanted, backend(1, **fields))


@pytest.mark.parametrize("kind", ["walsender", "autovacuum worker", "parallel worker", "background worker"])
def test_what_is_no_client_is_never_touched(kind: str) -> None:
    """As an idle session it is no candidate; as a blocker it is refused."""
    process = backend(1, type=kind, user=None, application=None, database=None)
    assert chosen(IDLE, process) == []
    with pytest.raises(Refused, match=kind):
        chosen(Terminate(which="blockers"), process, waiting(2, 1))


def test_hidden_sessions_are_not_taken_for_nothing_to_do() -> None:
    """Whether they are in the way nobody knows without pg_monitor."""
    hidden = backend(1, state=None, state_seconds=None, query="<insufficient privilege>", hidden=True)
    with pytest.raises(Refused, match="GRANT pg_monitor TO responder"):
        chosen(IDLE, hidden)
    with pytest.raises(Refused, match="GRANT pg_monitor TO responder"):
        chosen(Cancel(which="blockers"), hidden, waiting(2, 1))


def test_age_cap_and_order() -> None:
    """The oldest first; nobody below the limit."""
    ages = [backend(n, state_seconds=float(n)) for n in (599, 601, 700, 800)]
    assert chosen(IDLE, *ages) == [800, 700, 601]
    assert chosen(Terminate(which="idle", most=2), *ages) == [800, 700]
    assert choose(survey(*ages), Terminate(which="idle", most=1), cancel=False).left == 2
    assert chosen(Terminate(which="idle", older_than="750 s"), *ages) == [800]


def test_only_the_head_of_a_queue_is_ended() -> None:
    """Whoever waits itself is not the trouble. What is not running cannot be cancelled, and is no refusal."""
    queue = (backend(1, state="idle in transaction"), waiting(2, 1), waiting(3, 1, 2), waiting(4, 3))
    assert survey(*queue).roots() == [Root(1, 3, 90)]
    assert chosen(Unblock(), *queue) == [1]
    assert chosen(Cancel(which="blockers"), *queue) == []
    written = (backend(1, state="idle in transaction", writes=True), waiting(2, 1))
    assert chosen(Cancel(which="blockers"), *written) == [], "the next rung may allow it"
    assert chosen(Terminate(which="blockers", allowed_writers=("ap%",)), *written) == [1]
    with pytest.raises(Refused, match="allowed_writers"):
        chosen(Terminate(which="blockers"), *written)
    assert chosen(Unblock(older_than="2 min"), *queue) == []


def test_one_that_waits_for_a_lock_is_not_long_running() -> None:
    """Its blocker is."""
    assert chosen(Cancel(which="long_running"), waiting(2, 1), backend(3, state="active")) == [3]


def test_a_long_queue_and_a_circle_are_shown_once_and_at_once() -> None:
    """Each of hundred waits for all before it; a deadlock has no head."""
    queue = [backend(0x100), *(waiting(n, 0x100, *range(0x101, n)) for n in range(0x101, 0x165))]
    assert len(survey(*queue).tree()) == 101
    assert survey(*queue).roots() == [Root(0x100, 100, 90)]
    circle = survey(waiting(1, 2), waiting(2, 1))
    assert circle.roots() == []
    assert circle.tree() == []


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("airflow", "airflow%", True),
        ("AIRFLOW-worker", "airflow%", True),
        ("my airflow", "airflow%", False),
        ("eurostat_ingestion_x", "%ingestion%", True),
        ("axb", "a_b", False),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("", "%", False),
        (None, "%", False),
    ],
)
def test_only_the_percent_sign_stands_for_anything(name: str | None, pattern: str, fits: bool) -> None:
    """An underscore in a name is an underscore."""
    assert bool(matches(name, [pattern])) is fits


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 'it''s', 42, -1.5e3, 0xFF", "SELECT '?', ?, -?, ?"),
        ("SELECT t1.c2 FROM t1 WHERE x = $1", "SELECT t1.c2 FROM t1 WHERE x = $1"),
        ("ALTER ROLE etl PASSWORD 'hunter2'", "ALTER ROLE etl PASSWORD '?'"),
        ("SELECT $$hunter2$$ -- hunter2\n FROM x", "SELECT '?' FROM x"),
        ("SELECT 1 WHERE k = 'cut off hunter2", "SELECT ? WHERE k = '?'"),
        ("SELECT\n  1,\n  2", "SELECT ?, ?"),
        (None, ""),
    ],
)
def test_statements_are_shown_without_their_constants(sql: str | None, shown: str) -> None:
    """In one line."""
    assert statement(sql) == shown


def test_statements_and_exhibits_are_short() -> None:
    """500 characters; 64 kB with the last lines kept."""
    assert len(statement("SELECT " + "a, " * 1000)) == 500
    long = text_exhibit("x", [f"line {n} " + "ö" * 50 for n in range(2000)])
    assert len(long.content.encode()) <= 64 * 1024
    assert long.content.startswith("line ")
    assert "line 1999" in long.content
    shown = exhibit("x", [{"a": 1, "b": None}, {"a": 22, "b": "password=hunter2"}], "head")
    assert shown.content == "head\na   b\n1\n22  password=***"
    assert exhibit("x", []).content == "(none)"
