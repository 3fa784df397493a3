"""The store in a database: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from incident_response.domain.errors import SchemaOutdated
from incident_response.domain.ports import Transaction

from .dialect import Dialect, Postgres, Sqlite
from .engine import Engines, make_engines
from .failures import translated
from .mapping import Mappers
from .migrations import running
from .repository.transaction import SqlTransaction
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
        # By process: a connection must not be shared with a parent. The parent's engines are kept and not
        # closed: closing them here would end them there.
        self._engines: dict[int, Engines] = {}
        self._checked = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read and write; commits at the end of the block, rolls back on an exception.

        Raises StoreUnavailable, SchemaOutdated.
        """
        with translated():
            engines = self._ready()
            with engines.write.begin() as connection:
                yield SqlTransaction(connection, self._dialect, self._mappers, writes=True)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Read only, all of one moment; never waits for a writer. Raises StoreUnavailable."""
        with translated():
            engines = self._ready()
            with engines.read.begin() as connection:
                yield SqlTransaction(connection, self._dialect, self._mappers, writes=False)

    def migrate(self) -> str:
        """Make the schema or bring it up to date; returns its revision."""
        with translated():
            found = running.migrate(self._open().write, self._dialect.schema)
        _check(found)
        return found

    def close(self) -> None:
        """Close this process's connections; the next transaction opens new ones."""
        engines = self._engines.pop(os.getpid(), None)
        if engines is not None:
            engines.write.dispose()

    def _open(self) -> Engines:
        pid = os.getpid()
        found = self._engines.get(pid)
        # setdefault, not a lock: a lock held by another thread of the parent would stay locked in a child.
        return found or self._engines.setdefault(pid, make_engines(self._url, self._timeout))

    def _ready(self) -> Engines:
        """The engines, once the schema was found right. That is asked once per process and its children."""
        engines = self._open()
        if not self._checked:
            found = running.current(engines.read, self._dialect.schema)
            if found != HEAD and self._dialect.name == "sqlite" and (found is None or found in KNOWN):
                found = running.migrate(engines.write, self._dialect.schema)
            _check(found)
            self._checked = True
        return engines


def _check(found: str | None) -> None:
    if found is None or (found in KNOWN and found != HEAD):
        raise SchemaOutdated
    if found not in KNOWN:
        raise SchemaOutdated(_NEWER.format(found=found, head=HEAD))
