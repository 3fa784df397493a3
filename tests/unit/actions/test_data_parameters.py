"""What a step of the data family may say, and what is refused when the file is read."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.parameters.calendars import Calendar, key_of, span
from incident_response.parameters.registry import MODELS

NOW = datetime(2026, 3, 31, 9, 30, tzinfo=timezone.utc)
PRESENT = "SELECT DISTINCT ingestion_date FROM meta_ingestion_log"


def missing(**fields: Any) -> Any:
    return MODELS["data.missing"].model_validate({"table": "t", "present": PRESENT, **fields})


def keys(**fields: Any) -> list[str]:
    calendar = Calendar.model_validate(fields)
    return [key_of(start, calendar.every) for start in calendar.starts(NOW)]


class TestSql:
    """One SELECT, with all its values bound."""

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"present": "DELETE FROM t"}, "must begin with SELECT or WITH"),
            ({"present": "SELECT 1; SELECT 2"}, "must be one statement"),
            ({"present": "WITH x AS (DELETE FROM t RETURNING d) SELECT d FROM x"}, "must only read"),
            ({"present": ""}, "is empty"),
            ({"present": "SELECT d FROM t WHERE c = :country"}, "names :country, `parameters` does not"),
            ({"expected": {"sql": "DROP TABLE t"}}, "must begin with SELECT or WITH"),
            ({"expected": {"sql": "SELECT d FROM c WHERE y = :year"}}, "names :year"),
            (
                {"expected": {"sql": "SELECT 1"}, "present": "SELECT d FROM t WHERE d > :since"},
                "names :since",
            ),
            ({"parameters": {"country": "SE"}}, "the SQL does not name :country"),
            ({"expected": {"sql": "SELECT 1", "from": "today"}}, "Extra inputs"),
            ({"expected": {"from": "soon"}}, "is no moment"),
            ({"expected": {"every": "decade"}}, "'hour', 'day', 'week' or 'month'"),
            ({"expected": {"zone": "Mars"}}, "is no IANA zone"),
            ({"most": 51}, "less than or equal to 50"),
        ],
    )
    def test_what_is_not_sure_is_refused_when_the_file_is_read(
        self, fields: dict[str, Any], words: str
    ) -> None:
        """A step that could write, or a value that is not bound, never runs."""
        with pytest.raises(ValidationError, match=words):
            missing(**fields)

    def test_values_are_named_in_either_sql(self) -> None:
        """And the ends of a calendar need not be given."""
        sql = "SELECT d FROM t WHERE c = :country AND d >= :since AND d < :until"
        assert missing(present=sql, parameters={"country": "SE"}).connections == ("lianel_energy_db",)
        expected = {"sql": "SELECT k FROM keys WHERE c = :country"}
        assert missing(expected=expected, parameters={"country": "SE"}).parameters == {"country": "SE"}


class TestCalendar:
    """What people write, and which keys it is."""

    def test_thirty_days_ago_to_yesterday_are_thirty_days(self) -> None:
        """The default."""
        found = keys()
        assert (len(found), found[0], found[-1]) == (30, "2026-03-01", "2026-03-30")

    def test_weeks_begin_on_monday_and_months_on_the_first(self) -> None:
        """Also when the range begins in the middle of one."""
        assert keys(every="week", **{"from": "2 weeks ago"}) == ["2026-03-16", "2026-03-23", "2026-03-30"]
        assert keys(every="month", **{"from": "2026-01-15", "to": "2026-03-01"}) == [
            "2026-01-01", "2026-02-01", "2026-03-01",
        ]  # fmt: skip

    def test_the_day_of_a_zone_has_its_own_hours(self) -> None:
        """29 March 2026 has 23 hours in Stockholm, which are those of UTC from 23:00 the day before."""
        day = {"from": "2026-03-29", "to": "2026-03-29", "every": "hour"}
        found = keys(zone="Europe/Stockholm", **day)
        assert (len(found), found[0], found[-1]) == (23, "2026-03-28T23:00Z", "2026-03-29T21:00Z")
        assert len(keys(**day)) == 24

    def test_yesterday_is_the_zone_s(self) -> None:
        """Half past eleven in the evening in UTC is the next day in Stockholm."""
        late = datetime(2026, 3, 31, 23, 30, tzinfo=timezone.utc)
        calendar = Calendar.model_validate({"from": "yesterday", "zone": "Europe/Stockholm"})
        assert [key_of(start, "day") for start in calendar.starts(late)] == ["2026-03-31"]

    def test_moments(self) -> None:
        """A day as a whole, a time as it is, a length back from now."""
        assert span("3 h ago", NOW)[0] == datetime(2026, 3, 31, 6, 30, tzinfo=timezone.utc)
        assert span("1 month ago", NOW)[0] == datetime(2026, 2, 28, 9, 30, tzinfo=timezone.utc)
        assert span("2026-03-01T05:00", NOW)[1] == datetime(2026, 3, 1, 5, tzinfo=timezone.utc)
        begin, end = span("today", NOW)
        assert (begin.hour, end.hour, begin.day, end.day) == (0, 23, 31, 31)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"from": "today", "to": "yesterday"}, "is after"),
            ({"from": "20 years ago", "every": "hour"}, "more than 10000 keys"),
        ],
    )
    def test_ranges_that_make_no_sense(self, fields: dict[str, str], words: str) -> None:
        """Empty, or without an end."""
        with pytest.raises(ValueError, match=words):
            keys(**fields)
