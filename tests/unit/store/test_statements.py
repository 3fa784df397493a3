"""One statement, two databases."""

from __future__ import annotations

from incident_response.store import tables
from incident_response.store.dialect import Many, Postgres, Sqlite

_STATEMENT = "SELECT 1 FROM {s}incidents WHERE number {among:numbers} AND status = :status {skip}"


def test_postgres_gets_its_schema_its_locks_and_its_parameters():
    """The schema's name is quoted, it may be any."""
    assert Postgres("our place").statement(_STATEMENT) == (
        'SELECT 1 FROM "our place".incidents WHERE number = ANY(%(numbers)s) AND status = %(status)s '
        "FOR NO KEY UPDATE SKIP LOCKED"
    )


def test_sqlite_gets_none_of_them():
    """Its only lock is the one on everything, and sets travel as JSON."""
    assert Sqlite().statement(_STATEMENT) == (
        "SELECT 1 FROM incidents WHERE number IN (SELECT value FROM json_each(:numbers)) "
        "AND status = :status "
    )


def test_labels_are_read_inside_of_the_database():
    """Only their names stand in the statement."""
    text = "SELECT {label:service} FROM {s}signals"
    assert Postgres("s").statement(text) == "SELECT labels ->> 'service' FROM \"s\".signals"
    assert Sqlite().statement(text) == "SELECT json_extract(labels, '$.service') FROM signals"


def test_many_rows_are_one_parameter_in_postgres():
    """Their types are those of the table."""
    many = Many.insert(tables.policies, ("digest", "kept_at"), "DO NOTHING")
    assert Postgres("s").many(many) == (
        'INSERT INTO "s".policies (digest, kept_at) SELECT r.digest, r.kept_at FROM '
        "json_to_recordset(CAST(%(rows)s AS json)) AS r(digest TEXT, kept_at TIMESTAMP WITH TIME ZONE) "
        "WHERE true ON CONFLICT DO NOTHING"
    )
    assert Sqlite().many(many) == (
        "INSERT INTO policies (digest, kept_at) SELECT :digest, :kept_at  WHERE true ON CONFLICT DO NOTHING"
    )
