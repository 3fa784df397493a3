"""SQL read by its tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.sql_text import bind_names, reading, without_literals


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 'a''b', 1", "SELECT '?', 1"),
        (r"SELECT E'it\'s', 'x'", "SELECT '?', '?'"),
        ("ALTER ROLE app PASSWORD 'hunter2'", "ALTER ROLE app PASSWORD '?'"),
        ("SELECT 1 -- don't\n, 'x'", "SELECT 1  \n, '?'"),
        ("SELECT /* it's */ 'x'", "SELECT   '?'"),
        ("SELECT \"it's\", 'x'", "SELECT \"it's\", '?'"),
        ("DO $f$ it's 'x' $f$; SELECT $$y$$", "DO '?'; SELECT '?'"),
        ("INSERT INTO t VALUES ('cut of", "INSERT INTO t VALUES ('?'"),
        ("SELECT $1, '--', 'x'", "SELECT $1, '?', '?'"),
    ],
)
def test_literals_and_comments_are_not_shown(sql: str, shown: str) -> None:
    """Whatever stands in the other kind of quotes; what was cut runs to its end."""
    assert without_literals(sql) == shown


@given(st.text(alphabet="ab'\"-/*$ \n\\E"), st.text(alphabet='ab-/*$"\n'))
def test_a_literal_behind_a_whole_statement_is_never_shown(before: str, literal: str) -> None:
    """The text before it is closed by what PostgreSQL would close it with: here it is literals only."""
    closed = "SELECT '" + before.replace("'", "''") + "', 'secret" + literal + "'"
    assert "secret" not in without_literals(closed)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT max(last_update) FROM t",
        " (SELECT 1) ",
        "with x AS (SELECT 1) SELECT * FROM x",
        "-- the newest\nSELECT 1",
        "SELECT ';' , 'DELETE FROM t'",
        'SELECT "into" FROM t',
        "SELECT updated, set FROM updates",
    ],
)
def test_one_statement_that_reads_is_accepted(sql: str) -> None:
    """Words in quotes and in names are no commands; the last semicolon is taken away."""
    assert reading(sql) == sql.strip()
    assert reading(f"{sql};") == sql.strip()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "is empty"),
        ("  -- nothing\n", "is empty"),
        ("DELETE FROM t", "must begin with SELECT or WITH"),
        ("EXPLAIN ANALYZE SELECT 1", "must begin with SELECT or WITH"),
        ("SELECT 1; DROP TABLE t", "one statement"),
        ("SELECT 1;;", "one statement"),
        ("SELECT 1; -- done", "remove the comment"),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "only read, but says 'DELETE FROM'"),
        ("WITH d AS (INSERT INTO t VALUES (1) RETURNING *) SELECT 1", "only read"),
        ("WITH d AS (UPDATE ONLY t AS x SET a = 1 RETURNING *) SELECT 1", "only read"),
        ("SELECT * INTO copy FROM t", "only read"),
        ("SELECT * FROM t FOR UPDATE", "only read"),
        ("SELECT 1 /* ; */ ; SELECT 2", "one statement"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(sql: str, message: str) -> None:
    """Also what hides in a WITH."""
    with pytest.raises(ValueError, match=message):
        reading(sql)


def test_named_parameters_are_found_and_casts_are_not() -> None:
    """The rule is SQLAlchemy's own."""
    assert bind_names(r"SELECT a::date, '12:30', ' \:no', x[1:2] WHERE c = :country AND :n>1") == {
        "country",
        "n",
    }
