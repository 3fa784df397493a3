"""What people read when the database does not do what it should."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import exc

from incident_response.domain.errors import SchemaOutdated, StoreUnavailable
from incident_response.store.failures import translated


def caught(error: Exception) -> Exception:
    with pytest.raises(Exception) as found, translated(sqlite3):
        raise error
    return found.value


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        sqlite3.InterfaceError("gone"),
        sqlite3.DatabaseError("file is not a database"),
        exc.TimeoutError(),
        exc.OperationalError("CREATE TABLE x", None, sqlite3.OperationalError("disk I/O error")),
    ],
)
def test_a_database_that_does_not_answer_is_away(error: Exception):
    """And the message says what is kept; the cause goes with it for those who look."""
    found = caught(error)
    assert isinstance(found, StoreUnavailable)
    assert "nothing was changed" in str(found)
    assert found.__cause__ is error


def test_a_missing_table_is_a_missing_schema():
    """Somebody removed it while we were running, or it was never made."""
    assert isinstance(caught(sqlite3.OperationalError("no such table: incidents")), SchemaOutdated)


@pytest.mark.parametrize(
    "error", [sqlite3.IntegrityError("NOT NULL"), sqlite3.ProgrammingError("near FROM"), ValueError("other")]
)
def test_a_mistake_of_ours_is_not_hidden(error: Exception):
    """Waiting for the database would not mend it."""
    assert caught(error) is error
