"""A real PgBouncer in transaction mode: each transaction may run on another connection of the server."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from incident_response.domain.errors import StoreUnavailable
from incident_response.store.prepared import Prepared
from incident_response.store.sql_store import SqlStore
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, free_port, remove_at_exit
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def pooled(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database behind the pooler, which uses three connections to the server in turn."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "pgbouncer is missing; run scripts/system-packages database"
    name = f"pooled_{os.getpid()}_{threading.get_native_id()}"
    postgres_server.create_database(name)
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    remove_at_exit(home)
    home.chmod(0o755)
    port = free_port()
    (home / "users.txt").write_text('"postgres" ""\n')
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host=127.0.0.1 port={postgres_server.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"auth_file = {home}/users.txt\npool_mode = transaction\ndefault_pool_size = 3\n"
        "server_round_robin = 1\n"
    )
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*prefix, program, str(home / "pgbouncer.ini")]
    process = Process(command, tmp_path / "pgbouncer.log", env={"PATH": os.environ["PATH"]}, cwd=home)

    def answers() -> bool:
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=name).close()
        except psycopg2.OperationalError:
            assert process.alive, (tmp_path / "pgbouncer.log").read_text()
            return False
        return True

    try:
        wait_for(answers, "pgbouncer answers", 10)
        with ExitStack() as busy:  # it opens one only when all others are in use
            links = [
                psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=name) for _ in "abc"
            ]
            for link in links:
                busy.enter_context(closing(link)).cursor().execute("SELECT 1")
            for link in links:
                link.commit()
        yield f"postgresql+psycopg2://postgres@127.0.0.1:{port}/{name}"
    finally:
        process.kill()
        postgres_server.drop_database(name)


def test_two_clients_of_a_pooler_never_run_each_others_statements(
    pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They prepare different things, one after the other, on connections that they share."""
    monkeypatch.setattr(Prepared, "_refused", False)

    class Client:
        """A process of its own: it counts for itself, and has not heard of any refusal."""

        def __init__(self, link: psycopg2.extensions.connection) -> None:
            self.link, self.prepared = link, Prepared()

        def ask(self, statement: str, **values: int) -> int | None:
            Prepared._refused = False
            before, call = self.prepared.call(statement)
            try:
                with self.link.cursor() as cursor:
                    cursor.execute(f"{before}; {call}" if before else call, values)
                    (found,) = cursor.fetchone() or (None,)
            except psycopg2.Error as error:  # the pooler is noticed: the caller repeats it
                self.prepared.failed(error.pgcode)
                return None
            self.prepared.accepted()
            return found

    asked = {n: f"SELECT %(x)s::int * {n}" for n in range(1, 6)}
    with ExitStack() as open_:
        clients = []
        for _ in range(2):
            link = open_.enter_context(closing(psycopg2.connect(pooled.replace("+psycopg2", ""))))
            link.autocommit = True
            clients.append(Client(link))
        told = 0
        for turn in range(40):
            client, n = clients[turn % 2], 1 + (turn * (1 + turn % 2)) % 5
            found = client.ask(asked[n], x=7)
            assert found in (None, 7 * n), f"asked for 7 * {n}, got {found}"
            told += found is not None
        assert told > 5


def test_a_store_behind_a_pooler_loses_one_transaction_and_then_none(
    pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused has changed nothing, and is repeated."""
    monkeypatch.setattr(Prepared, "_refused", False)
    stores = [SqlStore(pooled), SqlStore(pooled)]
    stores[0].migrate()
    failures, rounds = 0, 20
    for turn in range(rounds):
        for store in stores:
            for attempt in (1, 2, 3):
                try:
                    with store.transaction() as tx:
                        found = tx.allocate(1)
                        assert len(found) == 1
                    with store.read() as tx:
                        assert tx.polls() == []
                        assert tx.open_on({"x"}) == []
                    break
                except StoreUnavailable:
                    failures += 1
                    assert attempt < 3
        assert turn < 2 or failures <= 4
    for store in stores:
        store.close()
