"""data.missing on a SQLite file: keys, their shapes, and what cannot be compared."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from incident_response.actions.data_missing import FindMissing
from incident_response.domain.actions import Finding
from incident_response.domain.connections import Connection
from incident_response.domain.errors import BadInput, NotConfigured, SourceUnavailable
from incident_response.domain.severities import Scenario
from incident_response.parameters.registry import MODELS
from tests.support.scenes import incident, scene
from tests.unit.actions.fake_ingestion import kit

SECRET = "correct-horse-9"


class Place:
    """A table of texts."""

    def __init__(self, path: Path, conn_type: str = "sqlite") -> None:
        self.path, self.conn_type = path, conn_type
        self.run("CREATE TABLE t (key text, country text)")

    def run(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def put(self, *keys: str | None) -> None:
        for key in keys:
            self.run("INSERT INTO t VALUES (?, 'SE')", key)

    def look(self, seconds: float = 5, **fields: Any) -> Finding:
        asked = MODELS["data.missing"].model_validate(
            {"table": "t", "present": "SELECT DISTINCT key FROM t", **fields}
        )
        connection = Connection(str(self.path), password=SECRET, conn_type=self.conn_type)
        about = incident("t", Scenario.DATA_QUALITY)
        found = FindMissing(kit(lianel_energy_db=connection)).look(scene(about, asked, seconds=seconds))
        json.dumps(dict(found.data), allow_nan=False)
        assert len(found.text) <= 200
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data.db")


def test_days_that_are_missing_are_named_in_order(place: Place) -> None:
    """NULL is no key; a time is of its day; what nobody expects is no matter."""
    place.put(None, "2026-03-28", "2026-03-29T23:59:00", "2020-01-01")
    found = place.look(expected={"from": "2026-03-27", "to": "yesterday"})
    assert found.data["missing"] == ["2026-03-27", "2026-03-30"]
    assert found.text == "t: 2 of 4 keys are missing: 2026-03-27, 2026-03-30"
    assert (found.causes, found.proven) == (("data_missing",), None)
    assert (found.data["every"], found.data["zone"], found.data["conn_id"]) == (
        "day",
        "UTC",
        "lianel_energy_db",
    )


def test_nothing_is_missing(place: Place) -> None:
    """No cause, no exhibit."""
    place.put("2026-03-30")
    found = place.look(expected={"from": "yesterday"})
    assert (found.text, found.causes, found.exhibits) == ("t: none of 1 keys is missing", (), ())


def test_hours_and_weeks_are_recognised_by_any_time_in_them(place: Place) -> None:
    """In the zone where a time has none."""
    place.put("2026-03-31T07:20:00", "2026-03-31T06:59:59+00:00")
    hours = {"from": "4 h ago", "to": "1 h ago", "every": "hour", "zone": "Europe/Stockholm"}
    assert place.look(expected=hours).data["missing"] == ["2026-03-31T07:00Z", "2026-03-31T08:00Z"]
    weeks = {"from": "2026-03-23", "to": "2026-03-31", "every": "week"}
    assert place.look(expected=weeks).data["missing"] == ["2026-03-23"]


def test_partitions_are_expected_by_sql(place: Place) -> None:
    """Numbers and texts alike, bound by the same values."""
    place.run("CREATE TABLE c (code text, region text)")
    place.run("INSERT INTO c VALUES ('SE', 'EU'), ('NO', 'EU'), ('FI', 'EU'), ('US', 'NA')")
    place.put("SE")
    expected = {"sql": "SELECT code FROM c WHERE region = :region ORDER BY code"}
    found = place.look(expected=expected, parameters={"region": "EU"})
    assert (found.data["missing"], found.data["every"]) == (["FI", "NO"], None)


def test_the_ends_of_the_calendar_are_bound(place: Place) -> None:
    """As dates, the second one exclusive; in SQLite dates are texts."""
    place.put("2026-03-29", "2026-03-30")
    sql = "SELECT key FROM t WHERE key >= :since AND key < :until AND country = :country"
    fields = {"present": sql, "parameters": {"country": "SE"}}
    assert place.look(expected={"from": "2026-03-28", "to": "2026-03-29"}, **fields).data["missing"] == [
        "2026-03-28"
    ]


def test_more_than_can_be_named_are_counted_and_exhibited(place: Place) -> None:
    """The finding is cut, and says so by its count; the exhibit has all of them."""
    found = place.look(expected={"from": "90 days ago"}, most=5)
    assert (len(found.data["missing"]), found.data["count"]) == (5, 90)
    assert len(found.exhibits[0].content.splitlines()) == 90


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"present": "SELECT key, country FROM t"}, "returns 2 columns"),
        ({"present": "SELECT absent FROM t"}, "no such column: absent; correct it in the runbook"),
        ({"present": "SELECT 'x'"}, "'x' is no date"),
        ({"present": "SELECT 7"}, "a int where a date is needed"),
        ({"present": "SELECT '2026-03-30'", "expected": {"every": "hour", "from": "1 h ago", "to": "now"}},
         "a date where an hour is needed"),
        ({"expected": {"sql": "SELECT key FROM t"}}, "returns no key, so nothing could be missing"),
        ({"expected": {"sql": "SELECT ''"}}, "is no key"),
        ({"expected": {"from": "today"}}, "nothing is expected"),
        ({"present": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
          "SELECT i FROM n"}, "more than 10000 rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(place: Place, fields: dict[str, Any], words: str) -> None:
    """With the remedy."""
    with pytest.raises(BadInput, match=words):
        place.look(**fields)


def test_a_query_that_takes_too_long_is_ended(place: Place) -> None:
    """Within the time of the step, and it may be asked again."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(SourceUnavailable, match="no answer within"):
        place.look(seconds=0.5, present=endless)


def test_a_database_that_is_away_and_no_password_in_its_message(tmp_path: Path) -> None:
    """SQLite opens it for reading only: a file that is not there is not made."""
    place = Place(tmp_path / "data.db")
    place.path = tmp_path / "nowhere.db"
    with pytest.raises(SourceUnavailable, match="gives no connection") as away:
        place.look()
    assert not place.path.exists()
    place.conn_type = "http"
    with pytest.raises(NotConfigured, match="no SQL database") as strange:
        place.look()
    assert SECRET not in f"{away.value}{strange.value}"


def test_what_lies_before_the_checkpoint_no_run_brings_back(place: Place) -> None:
    """The day of the checkpoint itself is still to come; without any checkpoint all is."""
    place.put("2026-03-28")
    place.run("CREATE TABLE log (country text, reached text)")
    asked = {
        "expected": {"from": "2026-03-27", "to": "2026-03-30"},
        "checkpoint": "SELECT min(reached) FROM (SELECT max(reached) AS reached FROM log GROUP BY country)",
    }
    assert place.look(**asked).causes == ("data_missing",)
    place.run("INSERT INTO log VALUES ('SE', '2026-03-29'), ('SE', '2026-03-29'), ('NO', '2026-03-30')")
    found = place.look(**asked)
    assert found.data["missing"] == ["2026-03-27", "2026-03-29", "2026-03-30"]
    assert found.data["unreachable"] == ["2026-03-27"]
    assert found.causes == ("data_missing", "data_gap")
    assert "1 of them lie before the checkpoint, so no run ingests them again" in found.text
