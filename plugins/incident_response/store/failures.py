"""What a driver raises, in the words of the domain; no address and no password reaches a message."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Any

from sqlalchemy import exc

from incident_response.domain.errors import SchemaOutdated, StoreUnavailable

_KEPT = "nothing was changed; signals are being spooled to files and taken in when it is back"
_NO_SUCH_TABLE, _NO_SUCH_SCHEMA = "42P01", "3F000"
UNPREPARED = ("26000", "42P05")  # a connection pooler has swapped the server's connection
_REASONS = {
    "57014": "a statement took longer than the time limit",
    "55P03": "a row stayed locked by somebody else for longer than the time limit",
    "40P01": "two transactions waited for each other",
    "25006": "the database takes no writes now",
    "53300": "the database takes no more connections",
}


class translated:
    """Raises StoreUnavailable or SchemaOutdated instead of what the driver and the pool raise.

    What is left is a mistake in a statement or in what was handed to it. A class, for the sake of `Block`.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (translation := _translation(error, self._driver)) is not None:
            raise translation from error


def _translation(error: BaseException, driver: Any) -> Exception | None:
    if isinstance(error, exc.TimeoutError):
        return StoreUnavailable(f"The store is away (no free connection in time): {_KEPT}")
    if isinstance(error, exc.DBAPIError):  # from migrations, the others do not go through SQLAlchemy
        return _of_driver(error.orig, driver)
    return _of_driver(error, driver) if isinstance(error, driver.Error) else None


def _of_driver(error: Any, driver: Any) -> Exception | None:
    code = getattr(error, "pgcode", None)
    if code in (_NO_SUCH_TABLE, _NO_SUCH_SCHEMA) or str(error).startswith("no such table"):
        return SchemaOutdated()
    away = (driver.OperationalError, driver.InterfaceError, driver.InternalError)
    if code in UNPREPARED:
        return StoreUnavailable(f"The store forgot a statement, which is sent whole from now on: {_KEPT}")
    # A bare DatabaseError: the server went away in the middle of a word, or the file is no database.
    if isinstance(error, away) or type(error) is driver.DatabaseError:
        return StoreUnavailable(f"The store is away ({_reason(error, code)}): {_KEPT}")
    return None


def _reason(error: Any, code: str | None) -> str:
    """SQLite's own words name no file; PostgreSQL's name host and user, so its error class has to do."""
    if isinstance(error, sqlite3.Error):
        return str(error)
    return _REASONS.get(code or "", f"{type(error).__name__}{f' {code}' if code else ''}")
