"""The judgements of `data_quality`, its memory and its configuration."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from incident_response.clients.sql_engine import engine, url_of
from incident_response.clients.sql_reading import Rows
from incident_response.clients.sql_showing import sample
from incident_response.detectors.again_data import DataQualityAgain
from incident_response.detectors.data_history import History
from incident_response.detectors.data_judgement import Verdict, judge
from incident_response.detectors.data_memory import Kept
from incident_response.detectors.data_values import Unusable, moment, number
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.sources.data_checks import AnyCheck
from incident_response.sources.data_quality import DataQualitySource
from tests.support.scenes import sighting
from tests.support.shipped import START

CHECK: TypeAdapter[Any] = TypeAdapter(AnyCheck)


def check(kind: str, **fields: Any) -> Any:
    return CHECK.validate_python({"kind": kind, "name": "c", "table": "t", "sql": "SELECT 1", **fields})


def verdict(of: Any, *row: Any, history: History | None = None) -> Verdict:
    columns = tuple(f"c{number}" for number in range(len(row)))
    return judge(of, Rows(columns, (row,)), history or History(), START)


@pytest.mark.parametrize(
    ("newest", "state"),
    [
        (START - timedelta(hours=12), "green"),
        (START - timedelta(hours=12, seconds=1), "yellow"),
        (START - timedelta(hours=24, seconds=1), "red"),
        (START + timedelta(days=1), "green"),
        (None, "red"),
        ("2026-11-22T01:59:00Z", "red"),
        ("2026-11-22 03:00:00", "yellow"),
        (date(2026, 11, 23), "green"),
        (date(2026, 11, 22), "green"),
        (date(2026, 11, 21), "red"),
        ("2026-11-21", "red"),
    ],
)
def test_freshness_has_three_colours(newest: object, state: str) -> None:
    """A date counts until its day has ended; a text is read as ISO; only red fires by itself."""
    found = verdict(check("freshness"), newest)
    assert (found.state, found.fires) == (state, state == "red")


def test_a_time_without_a_zone_is_in_the_zone_of_the_check() -> None:
    """13 o'clock in Stockholm is 12 in UTC."""
    read = moment(datetime(2026, 11, 23, 13), "Europe/Stockholm", START)  # noqa: DTZ001 - that is the point
    assert read == datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "limits", "fires"),
    [
        (5, {"at_least": 5}, False),
        (4, {"at_least": 5}, True),
        (None, {"at_least": 1}, True),
        (None, {"at_most": 1}, False),
        (Decimal("1.5"), {"at_most": 1}, True),
    ],
)
def test_volume_is_between_its_limits(value: object, limits: dict[str, float], fires: bool) -> None:
    """NULL is nothing."""
    found = verdict(check("volume", **limits), value)
    assert (found.fires, found.alert) == (fires, "DataVolumeAnomaly")


@pytest.mark.parametrize("kind", ["freshness", "volume", "completeness"])
def test_no_data_in_a_critical_table_has_a_name_of_its_own(kind: str) -> None:
    """Unless the check has one."""
    fields = {"at_least": 1} if kind == "volume" else {}
    assert verdict(check(kind, critical=True, **fields), None).alert == "MissingDataInCriticalTable"
    assert (
        verdict(check(kind, critical=True, alertname="OSMDataMissing", **fields), None).alert
        == "OSMDataMissing"
    )
    assert verdict(check(kind, **fields), None).alert.startswith("Data")


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ((97.0,), "green"),
        ((94.9,), "yellow"),
        ((89.9,), "red"),
        ((9, 10), "yellow"),
        ((0, 0), "red"),
        ((0, 9), "red"),
    ],
)
def test_completeness_is_a_percentage_or_two_numbers(row: tuple[float, ...], state: str) -> None:
    """Yellow fires only with `warn`."""
    assert verdict(check("completeness"), *row).state == state
    assert verdict(check("completeness", warn=True), *row).fires is (state != "green")


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("freshness", [(1,)], "returned a int where a time"),
        ("freshness", [("soon",)], "'soon' where a time"),
        ("volume", [("12",)], "returned a str where a number"),
        ("volume", [(True,)], "returned a bool where a number"),
        ("volume", [(float("nan"),)], "nan"),
        ("volume", [(1,), (2,)], "more than one row"),
        ("volume", [(1, 2)], "2 columns"),
        ("completeness", [(1, 2, 3)], "3 columns"),
        ("anomaly", [(None,)], "coalesce"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_refused_with_a_remedy(
    kind: str, rows: list[tuple[Any, ...]], message: str
) -> None:
    """It counts as a query that failed."""
    of = check(kind, **({"at_least": 1} if kind == "volume" else {}))
    with pytest.raises(Unusable, match=message):
        judge(of, Rows(tuple("abc"[: len(rows[0])]), tuple(rows)), History(), START)


class TestHistory:
    """A number and its past."""

    def test_it_says_nothing_before_it_has_seen_enough(self) -> None:
        """And learns all the same."""
        history = History()
        for value in (100, 5000, 3, 100, 100, 100, 100):
            history = history.after(value, check("anomaly"))
        assert history.band(check("anomaly")) is None
        assert len(history.usual) == 7

    def test_a_steady_past_still_leaves_room(self) -> None:
        """Ten percent by default: one row more is no news."""
        assert History((100.0,) * 8).band(check("anomaly")) == (90, 110)

    def test_strange_values_are_not_learnt_until_they_lasted(self) -> None:
        """Then the new level is usual, after as many looks as the history holds; a flip starts again."""
        of = check("anomaly", looks=8)
        history = History((100.0,) * 8)
        for _ in range(5):
            history = history.after(10, of)
        assert (history.band(of), len(history.strange)) == ((90, 110), 5)
        history = history.after(500, of)
        assert history.strange == (500,)
        assert history.after(100, of).strange == ()
        for _ in range(7):
            found = verdict(of, 500, history=history)
            history = found.history
        assert not found.fires
        assert history.band(of) == (450, 550)

    def test_it_is_bounded_and_survives_json(self) -> None:
        """Twenty values by default."""
        history = History()
        for value in range(300, 400):
            history = history.after(value, check("anomaly"))
        kept = json.loads(json.dumps(history.kept))
        assert History.of(kept) == history
        assert len(history.usual) + len(history.strange) <= 40


class TestMemory:
    """What stays between looks."""

    RED = Verdict("red", 1, True, "DataInvalid", "is wrong")

    def test_it_survives_json_and_a_changed_query_is_a_new_check(self) -> None:
        """A changed limit is not."""
        of = check("assertion")
        kept = Kept().answered(self.RED, 1, START).failed("gone", START)
        memory = json.loads(json.dumps(kept.kept(of)))
        assert Kept.of(memory, of) == kept
        assert Kept.of(memory, check("assertion", allowed=3)) == kept
        assert Kept.of(memory, check("assertion", sql="SELECT 2")) == Kept()

    def test_it_fires_after_so_many_times_in_a_row_and_since_the_first_of_them_that_fired(self) -> None:
        """What fires goes on without counting again."""
        once = Kept().answered(self.RED, 2, START)
        assert not once.found
        twice = once.answered(self.RED, 2, START + timedelta(hours=1))
        again = twice.answered(self.RED, 2, START + timedelta(hours=2))
        assert again.found["since"] == (START + timedelta(hours=1)).isoformat()
        assert not again.answered(Verdict("green", 1), 2, START).found

    def test_a_failed_query_is_tried_again_at_once_until_that_is_told(self) -> None:
        """Then in its own rhythm."""
        later, slack = START + timedelta(minutes=5), timedelta(minutes=2)
        kept = Kept().answered(Verdict("green", 1), 1, START)
        assert not kept.due(later, timedelta(hours=6), slack, 2)
        assert kept.due(START + timedelta(hours=5, minutes=58), timedelta(hours=6), slack, 2)
        assert kept.failed("x", START).due(later, timedelta(hours=6), slack, 2)
        assert not kept.failed("x", START).failed("x", START).due(later, timedelta(hours=6), slack, 2)


def test_sample_rows_are_short_json_without_secrets() -> None:
    """Whatever types a driver returns."""
    row = (Decimal("1.5"), b"abc", "x" * 500, "k", float("inf"), None, START, "password=hunter2")
    (shown,) = sample(Rows(("a", "b", "c", "api_token", "e", "f", "g", "h"), (row,)))
    assert len(shown["c"]) == 100
    assert {k: v for k, v in shown.items() if k != "c"} == {
        "a": "1.5", "b": "<3 bytes>", "api_token": "***", "e": "inf", "f": None,
        "g": "2026-11-23T02:00:00+00:00", "h": "password=***",
    }  # fmt: skip
    json.dumps(shown)


def test_numbers_are_exact_enough() -> None:
    """Decimals and fractions are numbers, complex ones are not."""
    assert number(Decimal("2.5")) == 2.5
    with pytest.raises(Unusable):
        number(1j)


class TestEngine:
    """From a connection to an engine."""

    def test_a_password_of_any_characters_is_kept_and_not_shown(self) -> None:
        """No URL is put together by hand."""
        url = url_of(Connection("db", "etl", "p@ss/w:ör?d#", 5432, "energy", conn_type="postgres"), "x")
        assert (url.drivername, url.password, url.database) == (
            "postgresql+psycopg2",
            "p@ss/w:ör?d#",
            "energy",
        )
        assert "p@ss" not in repr(url)

    @pytest.mark.parametrize(
        ("conn_type", "extra", "scheme"),
        [
            ("mysql", {}, "mysql+mysqldb"),
            ("mssql", {}, "mssql+pymssql"),
            ("mysql", {"sqlalchemy_scheme": "mysql+pymysql"}, "mysql+pymysql"),
            ("exasol", {"sqlalchemy_scheme": "exa+websocket"}, "exa+websocket"),
        ],
    )
    def test_the_type_names_the_scheme_and_the_extra_overrides_it(
        self, conn_type: str, extra: dict[str, str], scheme: str
    ) -> None:
        """As in Airflow's own hooks."""
        assert url_of(Connection("db", conn_type=conn_type, extra=extra), "x").drivername == scheme

    def test_an_unknown_type_or_a_missing_driver_is_told_with_a_remedy(self) -> None:
        """And without the password."""
        with pytest.raises(NotConfigured, match="sqlalchemy_scheme"):
            url_of(Connection("db", conn_type="http"), "x")
        lost = Connection(
            "db", password="s3cret!", conn_type="exasol", extra={"sqlalchemy_scheme": "exa+lost"}
        )
        with pytest.raises(NotConfigured, match="install the driver of exasol") as error:
            engine(lost, 5, "x")
        assert "s3cret!" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("volume", {}, "at_least"),
        ("volume", {"at_least": 2, "at_most": 1}, "must not be above"),
        ("freshness", {"warn_after": "2 days"}, "must not be longer"),
        ("freshness", {"zone": "Mars/Olympus"}, "no IANA zone"),
        ("completeness", {"fail_below": 99}, "must not be above"),
        ("anomaly", {"least": 30}, "never speak"),
        ("assertion", {"sql": "DELETE FROM t"}, "must begin with SELECT or WITH"),
        ("assertion", {"sql": "SELECT 1; SELECT 2"}, "one statement"),
        ("assertion", {"sql": "SELECT :x"}, "SQL names :x"),
        ("assertion", {"parameters": {"x": 1}}, "does not name :x"),
        ("assertion", {"every": "1 business day"}, "elapsed time"),
        ("assertion", {"alertname": "not a name"}, "pattern"),
        ("guess", {}, "guess"),
    ],
)
def test_bad_checks_are_refused(kind: str, fields: dict[str, Any], message: str) -> None:
    """With the remedy."""
    with pytest.raises(ValidationError, match=message):
        check(kind, **fields)


def test_two_checks_of_one_name_are_refused() -> None:
    """The name is the key of a check's memory."""
    one = {"kind": "assertion", "name": "c", "table": "t", "sql": "SELECT 1"}
    with pytest.raises(ValidationError, match="two checks are named 'c'"):
        DataQualitySource.model_validate(
            {"kind": "data_quality", "name": "d", "conn_id": "x", "checks": [one, one]}
        )


def test_a_table_that_shrinks_has_lost_data_and_one_that_is_empty_is_missing_it() -> None:
    """A few rows may be corrected away, growth is learnt at once, and what is lost is not forgotten soon."""
    of = check("loss", tolerance=1, looks=3)
    history = verdict(of, 1000).history
    assert not verdict(of, 995, history=history).fires
    grown = verdict(of, 2000, history=history).history
    lost = verdict(of, 1500, history=grown)
    assert (lost.fires, lost.alert, lost.evidence["lost"]) == (True, "DataLoss", 500)
    assert lost.words == "the check c counts 1,500, there were 2,000: 500 are gone"
    empty = verdict(of, 0, history=grown)
    assert (empty.fires, empty.alert) == (True, "MissingDataInCriticalTable")
    assert verdict(check("loss", tolerance=100), 0, history=grown).fires, "whatever the tolerance"
    second = verdict(of, 1500, history=lost.history)
    assert second.fires
    third = verdict(of, 1500, history=second.history)
    assert (third.fires, third.history.usual) == (False, (1500.0,)), "people have let it stand: the new level"


def test_a_loss_looked_at_again_is_held_against_what_there_was() -> None:
    """A runbook asks the very query again, without the detector's past."""
    source = DataQualitySource.model_validate(
        {
            "kind": "data_quality",
            "name": "energy",
            "conn_id": "energy",
            "checks": [{"kind": "loss", "name": "c", "table": "t", "sql": "SELECT 1"}],
        }
    )
    kept = {"before": 100, "kept_from": 99.0}
    seen = sighting("data_quality", details=kept, alertname="DataLoss", check="c", table="t")
    (again,) = DataQualityAgain().strict(source, [seen]).checks
    assert not verdict(again, 99).fires
    assert verdict(again, 98).fires
