"""The store in a database: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from incident_response.domain.errors import SchemaOutdated
from incident_response.domain.transactions import Transaction

from .block import Block
from .connecting import connector, parse
from .dialect import Dialect, Postgres, Sqlite
from .failures import translated
from .mapping import Mappers
from .migrations import running
from .pool import Pool
from .schema_version import HEAD, KNOWN

_NEWER = (
    "The store's schema ({found}) was made by a newer version of this package, which works with {head}; "
    "install that version here, too. Nothing was changed"
)


class SqlStore:
    """Implements `ports.Store`. Opens nothing before its first transaction, and again in each forked child.

    `timeout`, in seconds, bounds every wait: for a connection, a lock, a statement. A SQLite store makes and
    migrates itself; on PostgreSQL `migrate()` does that, and until then transactions raise SchemaOutdated.
    """

    def __init__(self, url: str, *, schema: str = "incident_response", timeout: float = 5.0) -> None:
        self._url, self._timeout = url, timeout
        self._dialect: Dialect = Sqlite() if url.startswith("sqlite") else Postgres(schema)
        self._mappers = Mappers(self._dialect.codec)
        # By process: a connection must not be shared with a parent. The parent's pool is kept and not closed:
        # closing its connections here would end them there.
        self._pools: dict[int, Pool] = {}
        self._checked = False

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Read and write; commits at the end of the block, rolls back on an exception.

        Raises StoreUnavailable, SchemaOutdated.
        """
        self._check()
        return self._block(writes=True)

    def read(self) -> AbstractContextManager[Transaction]:
        """Read only, all of one moment; never waits for a writer. Raises StoreUnavailable, SchemaOutdated."""
        self._check()
        return self._block(writes=False)

    def migrate(self) -> str:
        """Make the schema or bring it up to date; returns its revision."""
        connect = connector(parse(self._url), self._timeout)
        with translated(self._dialect.driver):
            found = running.migrate(self._dialect.name, connect, self._dialect.schema)
        _refuse_unless_current(found)
        return found

    def close(self) -> None:
        """Close this process's connections; the next transaction opens new ones."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _block(self, *, writes: bool) -> Block:
        return Block(self._pool(), self._dialect, self._mappers, writes=writes)

    def _pool(self) -> Pool:
        pid = os.getpid()
        found = self._pools.get(pid)
        if found is None:
            connect = connector(parse(self._url), self._timeout)
            # setdefault, not a lock: a lock that a thread of the parent held would stay locked in a child.
            remote = self._dialect.name != "sqlite"
            made = Pool(connect, self._dialect.driver, self._timeout, remote=remote)
            found = self._pools.setdefault(pid, made)
        return found

    def _check(self) -> None:
        """See once that the schema is right; a forked child knows what its parent has seen."""
        if self._checked:
            return
        found = self._version()
        if self._dialect.name == "sqlite" and found != HEAD and (found is None or found in KNOWN):
            found = self.migrate()
        _refuse_unless_current(found)
        self._checked = True

    def _version(self) -> str | None:
        """The schema's revision, None when there is no schema."""
        try:
            with self._block(writes=False) as tx:
                return tx.schema_version()
        except SchemaOutdated:
            return None


def _refuse_unless_current(found: str | None) -> None:
    if found is None or (found in KNOWN and found != HEAD):
        raise SchemaOutdated
    if found not in KNOWN:
        raise SchemaOutdated(_NEWER.format(found=found, head=HEAD))
