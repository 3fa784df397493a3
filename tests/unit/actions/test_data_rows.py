"""data.rows on a SQLite file: rows as evidence, bounded and without secrets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from incident_response.actions.data_rows import ShowRows
from incident_response.domain.actions import Finding
from incident_response.domain.connections import Connection
from incident_response.domain.errors import BadInput
from incident_response.domain.severities import Scenario
from incident_response.parameters.registry import MODELS
from tests.support.scenes import incident, scene
from tests.unit.actions.fake_ingestion import kit


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "data.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE log (country text, day text, api_key text)")
        rows = [
            ("SE", "2026-03-01", "k-very-secret"),
            ("NO", "2026-03-02", "k-very-secret"),
            ("FI", None, None),
        ]
        connection.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
    return path


def look(database: Path, **fields: Any) -> Finding:
    asked = MODELS["data.rows"].model_validate(
        {"title": "Failed", "sql": "SELECT country, day FROM log ORDER BY country", **fields}
    )
    connection = Connection(str(database), password="correct-horse-9", conn_type="sqlite")
    about = incident("t", Scenario.DATA_QUALITY)
    return ShowRows(kit(lianel_energy_db=connection)).look(scene(about, asked, seconds=5))


def test_the_first_rows_are_told_and_all_are_kept(database: Path) -> None:
    """What is not known is a dash."""
    found = look(database, finds="failures")
    assert found.text == "Failed: 3 rows: FI -, NO 2026-03-02, SE 2026-03-01"
    assert found.exhibits[0].name == "rows.csv"
    assert found.exhibits[0].content == "country,day\nFI,\nNO,2026-03-02\nSE,2026-03-01\n"
    assert (found.causes, found.data["count"]) == (("failures",), 3)


def test_no_row_is_no_cause(database: Path) -> None:
    """It is said."""
    found = look(
        database, sql="SELECT country FROM log WHERE country = :one", parameters={"one": "XX"}, finds="x"
    )
    assert (found.text, found.causes, found.exhibits) == ("Failed: no rows", (), ())


def test_more_rows_than_are_kept_and_secrets(database: Path) -> None:
    """The exhibit says that there are more; a column that is called like a secret is masked."""
    found = look(database, sql="SELECT country, api_key FROM log ORDER BY api_key DESC", most=2)
    assert found.exhibits[0].content.endswith("…\n")
    assert "k-very-secret" not in found.exhibits[0].content + found.text
    assert found.text.startswith("Failed: 3 rows: ")


def test_a_sql_that_cannot_be_run_is_said(database: Path) -> None:
    """With the remedy."""
    with pytest.raises(BadInput, match="correct it in the runbook"):
        look(database, sql="SELECT nothing FROM log")
