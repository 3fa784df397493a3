"""One transaction from its beginning to its end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from .dialect import Dialect
from .failures import translated
from .link import Link, PostgresLink, SqliteLink
from .mapping import Mappers
from .pool import Pool
from .repository.transaction import SqlTransaction


class Block:
    """Begins in `with`, commits at the end of the block, rolls back on an exception.

    Raises StoreUnavailable, SchemaOutdated. A class: as generators, which read better, its parts cost as much
    as the statements of a small transaction.
    """

    __slots__ = ("_dialect", "_link", "_mappers", "_pool", "_taken", "_writes")

    def __init__(self, pool: Pool, dialect: Dialect, mappers: Mappers, *, writes: bool) -> None:
        self._pool, self._dialect, self._mappers, self._writes = pool, dialect, mappers, writes
        self._taken: Any = None
        self._link: Link | None = None

    def __enter__(self) -> SqlTransaction:
        with translated(self._dialect.driver):
            self._taken = self._pool.take(writes=self._writes)
            try:
                kind = SqliteLink if self._dialect.name == "sqlite" else PostgresLink
                self._link = kind(self._taken, self._dialect, writes=self._writes)
            except BaseException:
                self._pool.give_back(self._taken, writes=self._writes)
                raise
        return SqlTransaction(self._link, self._dialect, self._mappers, writes=self._writes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._link is not None
        try:
            with translated(self._dialect.driver):
                try:
                    if error is not None:
                        raise error
                    self._link.commit()
                except BaseException:
                    self._undo(self._link)
                    raise
        finally:
            self._pool.give_back(self._taken, writes=self._writes)

    def _undo(self, link: Link) -> None:
        try:
            link.rollback()
        except self._dialect.driver.Error:
            self._pool.discard(self._taken)
