"""What happens to a store when its database, its connections or its process do not behave."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from incident_response.domain.changes import Change
from incident_response.domain.errors import (
    BadInput,
    IllegalTransition,
    IncidentResponseError,
    StoreUnavailable,
)
from incident_response.store.prepared import Prepared
from incident_response.store.sql_store import SqlStore

from .records import NOW, after, incident, opened, outgoing, remediation, resolved, sighting
from .records import event as fact


def cut_all(url: str) -> None:
    """Cut every other connection to the database."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        ).all()
    engine.dispose()


def test_an_unreachable_server_is_a_store_that_is_away():
    """Said in time, and without address or password."""
    store = SqlStore("postgresql://ann:s3cret@127.0.0.1:1/store", timeout=1)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="away") as caught, store.transaction():
        pytest.fail("it was let in")
    assert time.monotonic() - started < 5
    for secret in ("s3cret", "operator", "127.0.0.1"):
        assert secret not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_a_store_that_is_away(tmp_path: Path):
    """A folder that is missing may be a volume that is not mounted yet."""
    with (
        pytest.raises(StoreUnavailable, match="unable to open") as caught,
        SqlStore(f"sqlite:///{tmp_path}/no/x.db").read(),
    ):
        pytest.fail("it was let in")
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_no_database_is_a_store_that_is_away(tmp_path: Path):
    """It is left as it is."""
    path = tmp_path / "store.db"
    path.write_text("something else " * 100)
    with pytest.raises(StoreUnavailable, match="not a database"), SqlStore(f"sqlite:///{path}").read():
        pytest.fail("it was let in")
    assert path.read_text().startswith("something else")


@pytest.mark.parametrize("url", ["mysql://host/x", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_be_a_store_is_refused(url: str):
    """In words, at the first use."""
    with pytest.raises(BadInput), SqlStore(url).read():
        pytest.fail("it was let in")


def test_a_store_opens_nothing_before_it_is_used(tmp_path: Path):
    """Making one costs nothing, at the import of a DAG for example."""
    SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    assert not (tmp_path / "store.db").exists()


def test_waiting_for_another_writer_ends(sqlite_store: SqlStore, tmp_path: Path):
    """With a second process on the file that writes and writes."""
    other = SqlStore(f"sqlite:///{tmp_path / 'store.db'}", timeout=0.2)
    with sqlite_store.transaction() as tx:
        tx.insert([Change(incident(1))])
        with pytest.raises(StoreUnavailable, match="locked"), other.transaction():
            pytest.fail("it was let in")
        with other.read() as reader:
            assert reader.totals(NOW)["open"] == 0
    with other.transaction() as tx:
        assert tx.lock([1])
    other.close()


def test_waiting_for_another_thread_that_writes_ends(tmp_path: Path):
    """Threads of one process take turns; who waits for too long hears that the store is away."""
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}", timeout=0.2)

    def write() -> None:
        with store.transaction() as tx:
            tx.insert([Change(incident(1))])

    with ThreadPoolExecutor() as threads:
        with store.transaction(), pytest.raises(StoreUnavailable, match="in time"):
            threads.submit(write).result(5)
        threads.submit(write).result(5)
    with store.read() as tx:
        assert tx.get(1)
    store.close()


def test_connections_of_a_file_are_renewed(sqlite_store: SqlStore, monkeypatch: pytest.MonkeyPatch):
    """Also the one that writes: or it would write for good into a file that was replaced by a backup."""
    opened(sqlite_store, incident(1))
    monkeypatch.setattr(sqlite_store._pool()._pool, "_recycle", 0)
    used: list[object] = []
    for _ in range(2):
        with sqlite_store.transaction() as tx:
            used.append(tx._link._connection)
        time.sleep(0.01)
    assert used[0] is not used[1]


def test_a_writer_that_could_not_open_its_file_leaves_its_turn(tmp_path: Path):
    """Once the volume is mounted, everything works."""
    store = SqlStore(f"sqlite:///{tmp_path / 'late' / 'store.db'}", timeout=0.2)
    store._checked = True  # the schema was seen, then the volume went away
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="unable to open"), store.transaction():
            pytest.fail("it was let in")
    (tmp_path / "late").mkdir()
    store.migrate()
    with store.transaction() as tx:
        tx.insert([Change(incident(1))])
    store.close()


def test_a_writer_whose_connection_broke_opens_another(sqlite_store: SqlStore):
    """It costs the transaction in which it broke."""
    opened(sqlite_store, incident(1))

    def break_it() -> None:
        with sqlite_store.transaction() as tx:
            tx.insert([Change(incident(2))])
            tx._link._connection.close()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        break_it()
    with sqlite_store.transaction() as tx:
        assert set(tx.lock([1, 2])) == {1}


@pytest.mark.integration
def test_waiting_for_a_locked_row_ends(postgres_store: SqlStore):
    """The lock's owner goes on; whoever waits hears that the store is away."""
    opened(postgres_store, incident(1), incident(2))
    other = SqlStore(postgres_store._url, timeout=0.3)
    with postgres_store.transaction() as tx:
        tx.lock([1])
        with pytest.raises(StoreUnavailable, match="stayed locked"), other.transaction() as blocked:
            blocked.lock([1, 2])
        with other.transaction() as free:
            free.lock([2])
            free.add_events(1, [fact("a fact needs no lock")])
    other.close()


@pytest.mark.integration
def test_due_incidents_that_others_hold_are_skipped(postgres_store: SqlStore):
    """Two clocks share the work instead of waiting for each other."""
    opened(postgres_store, *(incident(n, page_at=after(-n)) for n in (1, 2, 3)))
    with postgres_store.transaction() as one, postgres_store.transaction() as two:
        assert [i.number for i in one.lock_due(NOW, 2)] == [3, 2]
        assert [i.number for i in two.lock_due(NOW, 2)] == [1]


@pytest.mark.integration
def test_messages_that_others_are_claiming_are_skipped(postgres_store: SqlStore):
    """Likewise polls."""
    opened(postgres_store, incident(1))
    with postgres_store.transaction() as tx:
        tx.save([Change(incident(1), outgoing=tuple(outgoing(1, key) for key in "abc"))])
        tx.ensure_polls({"x": after(60) - NOW, "y": after(60) - NOW}, NOW)
    lease = after(60) - NOW
    with postgres_store.transaction() as one, postgres_store.transaction() as two:
        assert [p.outgoing.key for p in one.claim(NOW, "one", lease, 2)] == ["a", "b"]
        assert [p.outgoing.key for p in two.claim(NOW, "two", lease, 2)] == ["c"]
        assert [p.name for p in one.claim_polls(NOW, "one", lease, ["x"])] == ["x"]
        assert [p.name for p in two.claim_polls(NOW, "two", lease)] == ["y"]


@pytest.mark.integration
def test_who_opens_second_waits_and_finds_the_winner(postgres_store: SqlStore):
    """Both have looked before either wrote; the loser's look after the insert shows the winner's incident."""
    found: list[object] = []

    def second() -> None:
        with postgres_store.transaction() as tx:
            found.append(dict(tx.lock_current(["cause"], NOW)))
            looked.set()
            found.append(set(tx.insert([Change(incident(2, "cause"), events=(fact(),))])))
            found.append(tx.lock_current(["cause"], NOW)["cause"].number)

    looked = threading.Event()
    thread = threading.Thread(target=second)
    with postgres_store.transaction() as tx:
        assert not tx.lock_current(["cause"], NOW)
        tx.insert([Change(incident(1, "cause"))])
        thread.start()
        assert looked.wait(5)
        time.sleep(0.2)
        assert found == [{}], "the second one waits for the first one's end"
    thread.join(5)
    assert found == [{}, set(), 1]


@pytest.mark.integration
def test_guards_of_one_target_decide_one_after_the_other(postgres_store: SqlStore):
    """Two incidents must not both find their target free."""
    opened(postgres_store, incident(1), incident(2))
    other = SqlStore(postgres_store._url, timeout=0.3)
    with postgres_store.transaction() as tx:
        assert not tx.remediation_history("restart", "dag:sales", NOW)
        tx.save([Change(incident(1), remediations=(remediation(1),))])
        with pytest.raises(StoreUnavailable, match="stayed locked"), other.transaction() as blocked:
            blocked.remediation_history("restart", "dag:sales", NOW)
        with other.transaction() as free:
            assert not free.remediation_history("restart", "dag:other", NOW)
    with other.transaction() as then:
        assert len(then.remediation_history("restart", "dag:sales", NOW)) == 1
    other.close()


@pytest.mark.integration
def test_a_cut_connection_costs_one_transaction(postgres_store: SqlStore):
    """The server restarted: whoever was in a transaction hears of it, the next one works."""
    opened(postgres_store, incident(1))
    with pytest.raises(StoreUnavailable), postgres_store.transaction() as tx:
        tx.add_events(1, [fact(cut_all(postgres_store._url) or "too late")])
    with postgres_store.transaction() as tx:
        assert tx.lock([1])


@pytest.mark.integration
def test_an_idle_connection_is_tried_before_it_is_used(
    postgres_store: SqlStore, monkeypatch: pytest.MonkeyPatch
):
    """After a quiet night the first transaction does not fail on a connection that a firewall dropped."""
    monkeypatch.setattr("incident_response.store.pool._IDLE", -1.0)
    opened(postgres_store, incident(1))
    cut_all(postgres_store._url)
    with postgres_store.transaction() as tx:
        assert tx.lock([1])
    with postgres_store.read() as tx:
        assert tx.get(1)


@pytest.mark.integration
def test_an_endless_statement_is_cut_off(postgres_store: SqlStore):
    """By the server, after the timeout."""
    store = SqlStore(postgres_store._url, timeout=0.3)
    with pytest.raises(StoreUnavailable, match="longer than the time limit"), store.transaction() as tx:
        tx._run("SELECT pg_sleep(30)")  # type: ignore[attr-defined]
    store.close()


@pytest.mark.integration
def test_a_reader_cannot_write_into_postgres(postgres_store: SqlStore):
    """The database itself refuses."""
    with pytest.raises(StoreUnavailable, match="takes no writes"), postgres_store.read() as tx:
        tx.insert([Change(incident(1))])


def test_a_look_sees_one_moment(sql_store: SqlStore):
    """Two statements of a reader show the same state, whatever is committed between them."""
    opened(sql_store, incident(1))
    with sql_store.read() as tx:
        assert tx.totals(NOW)["open"] == 1
        opened(sql_store, incident(2))
        assert len(tx.board(10)) == 1
    with sql_store.read() as tx:
        assert len(tx.board(10)) == 2


def test_a_forked_child_opens_its_own_connections(sql_store: SqlStore):
    """Airflow forks its tasks; parent and child go on with one store object."""
    opened(sql_store, incident(1))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            opened(sql_store, incident(2))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    opened(sql_store, incident(3))
    with sql_store.read() as tx:
        assert tx.totals(NOW)["open"] == 3


def test_a_closed_store_opens_again(sql_store: SqlStore):
    """close() gives connections back, nothing more."""
    opened(sql_store, incident(1))
    sql_store.close()
    sql_store.close()
    with sql_store.read() as tx:
        assert tx.get(1)


def test_the_number_of_messages_does_not_grow_with_the_rows(
    sql_store: SqlStore, caplog: pytest.LogCaptureFixture
):
    """One hundred signals cost as many round trips as one."""

    def messages(first: int, count: int) -> int:
        caplog.clear()
        numbers = range(first, first + count)
        with sql_store.transaction() as tx:
            tx.lock_current([f"v1:test:{n}" for n in numbers], NOW)
            tx.allocate(count)
            tx.insert([Change(incident(n), (fact(),), (outgoing(n, f"k{n}"),)) for n in numbers])
            tx.record([sighting(n) for n in numbers])
            tx.save([Change(incident(n, level=2), (fact(),)) for n in numbers])
            tx.claim(NOW, "clock", after(60) - NOW, count)
        return len(caplog.records)

    with sql_store.read() as tx:
        assert tx.is_idle(NOW), "the schema has been looked at, which happens once"
    caplog.set_level("DEBUG", "incident_response.store.link")
    assert messages(1, 1) == messages(2, 50) <= 11


@pytest.mark.integration
def test_a_repeated_signal_is_two_messages(postgres_store: SqlStore, caplog: pytest.LogCaptureFixture):
    """The look travels with BEGIN, the count with COMMIT."""
    opened(postgres_store, incident(1, "cause"))
    caplog.set_level("DEBUG", "incident_response.store.link")
    with postgres_store.transaction() as tx:
        tx.lock_current(["cause"], NOW)
        tx.record([sighting(1)])
    assert len(caplog.records) == 2


@pytest.mark.integration
def test_an_error_that_was_passed_over_is_not_a_commit(postgres_store: SqlStore):
    """PostgreSQL undoes such a transaction without a word; the caller must not believe that it was kept."""
    opened(postgres_store, resolved(1, "cause"), incident(2, "cause"))

    def pass_over() -> None:
        with postgres_store.transaction() as tx, contextlib.suppress(IllegalTransition):
            tx.save([Change(incident(1, "cause"))])

    with pytest.raises(IncidentResponseError, match="undone"):
        pass_over()
    with postgres_store.read() as tx:
        assert tx.get(2)


def test_what_is_left_for_the_commit_is_seen_before_it(sql_store: SqlStore):
    """A transaction reads what it wrote."""
    opened(sql_store, incident(1))
    with sql_store.transaction() as tx:
        tx.record([sighting(1)])
        tx.add_events(1, [fact()])
        assert len(tx.sightings(1)) == len(tx.timeline(1)) == 1


def test_an_error_at_the_commit_undoes_everything(sql_store: SqlStore):
    """Also when the statement that fails travelled with it; the connection can be used again."""

    def fail() -> None:
        with sql_store.transaction() as tx:
            tx.insert([Change(incident(1))])
            tx.add_events(99, [fact("of an incident that does not exist")])

    with pytest.raises(sql_store._dialect.driver.IntegrityError):
        fail()
    with sql_store.transaction() as tx:
        assert tx.lock([1]) == {}


def test_a_server_that_forgets_what_was_prepared_costs_one_transaction(postgres_url: str, monkeypatch):
    """As behind a connection pooler: nothing of that transaction is kept, the next one goes well."""
    monkeypatch.setattr(Prepared, "_refused", False)
    store = SqlStore(postgres_url, schema="forgetful")
    store.migrate()
    with store.transaction() as tx:
        tx.allocate(1)
    with store.transaction() as tx:
        tx._link._cursor.execute("DEALLOCATE ALL")
    with pytest.raises(StoreUnavailable, match="sent whole"), store.transaction() as tx:
        tx.allocate(1)
    with store.transaction() as tx:
        assert list(tx.allocate(1)) == [2]
    store.close()


def test_an_error_leaves_later_statements_prepared_or_not_but_right(postgres_url: str, monkeypatch):
    """What was sent together with the mistake is prepared again, under another name."""
    monkeypatch.setattr(Prepared, "_refused", False)
    store = SqlStore(postgres_url, schema="mistaken")
    store.migrate()
    with pytest.raises(Exception, match="division by zero"), store.transaction() as tx:
        tx._rows("SELECT 1 / :nothing", nothing=0)
    with store.transaction() as tx:
        assert tx._rows("SELECT 1 / :nothing", nothing=1) == [(1,)]
    assert not Prepared._refused
    store.close()
