"""What a driver raises, in the words of the domain; no address and no password reaches a message."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def translated(driver: Any) -> Iterator[None]:
    """Raises StoreUnavailable or SchemaOutdated instead of what the driver and the pool raise.

    What is left is a mistake in a statement or in what was handed to it.
    """
    try:
        yield
    except exc.TimeoutError as error:
        raise StoreUnavailable(f"The store is away (no free connection in time): {_KEPT}") from error
    except exc.DBAPIError as error:  # from migrations, the others do not go through SQLAlchemy
        raise _translation(error.orig, driver) or error from error
    except driver.Error as error:
        raise _translation(error, driver) or error from error


def _translation(error: Any, driver: Any) -> Exception | None:
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
