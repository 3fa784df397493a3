"""What Prometheus says, and what follows from it; answers that no real one can be made to give."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.detectors.external_labels import parse
from incident_response.detectors.prometheus import PrometheusDetector
from incident_response.domain.errors import NotConfigured, SourceUnavailable
from incident_response.domain.signals import Signal
from incident_response.sources.prometheus import PrometheusSource
from tests.support.answers import Answers, Asked

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
QUERY = {"name": "HighLag", "query": "lag", "above": 10}
CONFIG = "global:\n  scrape_interval: 15s\n  external_labels:\n    site: '01'\n    on: yes\nalerting: {}\n"


def source(**fields: Any) -> PrometheusSource:
    return PrometheusSource.model_validate({"kind": "prometheus", "name": "platform", **fields})


def success(data: Any, **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": data, **more}


def alerts(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return success({"alerts": list(found)}, **more)


def alert(service: str = "api", state: str = "firing", **fields: Any) -> dict[str, Any]:
    labels = {"alertname": "ContainerDown", "service": service}
    at = "2026-03-01T01:55:00.123456789Z"
    return {"labels": labels, "annotations": {}, "state": state, "activeAt": at, "value": "1e+00"} | fields


def vector(*values: tuple[str, str], **more: Any) -> dict[str, Any]:
    found = [
        {"metric": {"__name__": "lag", "queue": queue}, "value": [1.5, value]} for queue, value in values
    ]
    return success({"resultType": "vector", "result": found}, **more)


class Looks:
    """A detector with its cursor in front of a server whose answers a test sets."""

    def __init__(self, server: Answers, **fields: Any) -> None:
        self.detector = PrometheusDetector(source(**fields), lambda _: server.connection)
        self.cursor: Any = {}

    def at(self, **later: float) -> list[Signal]:
        seen = self.detector.poll(self.cursor, T0 + timedelta(**later))
        self.cursor = seen.cursor
        return list(seen.signals)


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as server:
        server.on["/api/v1/status/config"] = success({"yaml": CONFIG})
        server.on["/api/v1/status/runtimeinfo"] = success({"startTime": "2026-02-01T00:00:00Z"})
        server.on["/api/v1/alerts"] = alerts()
        yield server


def told(signals: list[Signal]) -> list[tuple[str, bool]]:
    return [
        (signal.labels.get("service", signal.labels.get("queue", "")), signal.firing) for signal in signals
    ]


class TestAlerts:
    """Alerting rules."""

    def test_annotations_become_summary_and_details(self, server: Answers) -> None:
        """Secrets in them are masked; what it began with is when it happened."""
        notes = {"summary": "api is\ndown, password=hunter2", "runbook_url": "https://runbooks.test/api"}
        server.on["/api/v1/alerts"] = alerts(alert(annotations=notes))
        (signal,) = Looks(server).at()
        assert signal.summary == "api is"
        assert signal.details["annotations"]["summary"] == "api is\ndown, password=***"
        assert signal.details["value"] == "1e+00"
        assert signal.occurred_at == datetime(2026, 3, 1, 1, 55, 0, 123456, timezone.utc)

    def test_an_alert_without_words_is_described_by_its_labels(self, server: Answers) -> None:
        """And one from the future happened now."""
        server.on["/api/v1/alerts"] = alerts(alert(activeAt="2026-03-01T02:10:00+00:00"))
        (signal,) = Looks(server).at()
        assert signal.summary == "ContainerDown (on=yes, service=api, site=01)"
        assert signal.occurred_at == T0

    def test_an_alert_is_ignored_when_all_labels_of_one_entry_match(self, server: Answers) -> None:
        """The whole value, as in classification rules."""
        server.on["/api/v1/alerts"] = alerts(alert("api"), alert("api-2"), alert("nginx"))
        ignore = [{"service": "api", "site": "0."}, {"service": "nginx", "site": "other"}]
        assert told(Looks(server, ignore=ignore).at()) == [("api-2", True), ("nginx", True)]

    def test_an_alert_that_waits_again_is_not_resolved(self, server: Answers) -> None:
        """As after a restart of Prometheus, when `for` begins anew; resolved when it is gone."""
        looks = Looks(server)
        server.on["/api/v1/alerts"] = alerts(alert())
        looks.at()
        server.on["/api/v1/alerts"] = alerts(alert(state="pending"))
        assert looks.at(minutes=1) == []
        assert looks.at(minutes=9) == []
        server.on["/api/v1/alerts"] = alerts()
        assert told(looks.at(minutes=10)) == [("api", False)]

    def test_nothing_is_resolved_by_an_answer_that_lacks_something(self, server: Answers) -> None:
        """Words about an expression lack nothing."""
        looks = Looks(server)
        server.on["/api/v1/alerts"] = alerts(alert())
        looks.at()
        server.on["/api/v1/alerts"] = alerts(alert("new"), warnings=["store gateway is away"])
        assert told(looks.at(minutes=1)) == [("new", True)]
        server.on["/api/v1/alerts"] = alerts(warnings=["PromQL info: metric might not be a counter"])
        assert sorted(told(looks.at(minutes=2))) == [("api", False), ("new", False)]

    def test_after_a_restart_missing_alerts_are_given_time(self, server: Answers) -> None:
        """A product that does not say when it started gets none."""
        looks = Looks(server)
        server.on["/api/v1/alerts"] = alerts(alert())
        looks.at()
        server.on["/api/v1/alerts"] = alerts()
        server.on["/api/v1/status/runtimeinfo"] = success({"startTime": "2026-03-01T02:00:30Z"})
        assert looks.at(minutes=1) == []
        server.on["/api/v1/status/runtimeinfo"] = (404, "")
        assert told(looks.at(minutes=2)) == [("api", False)]


class TestExternalLabels:
    """What Prometheus adds on the way to Alertmanager."""

    def test_they_are_read_again_every_few_minutes(self, server: Answers) -> None:
        """And not while there is nothing to add them to."""
        looks = Looks(server)
        looks.at()
        server.on["/api/v1/alerts"] = alerts(alert())
        (signal,) = looks.at(minutes=1)
        assert signal.labels["site"] == "01"
        looks.at(minutes=2)
        assert server.paths().count("/api/v1/status/config") == 1
        looks.at(minutes=7)
        assert server.paths().count("/api/v1/status/config") == 2

    def test_when_they_do_not_answer_the_last_ones_stay(self, server: Answers) -> None:
        """Else each hiccup would be a new alert."""
        looks = Looks(server)
        server.on["/api/v1/alerts"] = alerts(alert())
        looks.at()
        server.on["/api/v1/status/config"] = (503, "")
        (again,) = looks.at(minutes=6)
        assert again.labels["site"] == "01"

    @pytest.mark.parametrize("answer", [(403, "no"), (404, ""), success({}), success([]), (200, "a page")])
    def test_whoever_refuses_them_has_none(self, server: Answers, answer: Any) -> None:
        """The alerts count without."""
        server.on["/api/v1/alerts"] = alerts(alert())
        server.on["/api/v1/status/config"] = answer
        (signal,) = Looks(server).at()
        assert "site" not in signal.labels

    @pytest.mark.parametrize(
        ("configuration", "labels"),
        [
            ("", {}),
            ("scrape_configs: []\n", {}),
            ("global:\n  scrape_interval: 15s\n", {}),
            ("global: [1]\n", {}),
            ("global:\n  external_labels: {a: [1]}\n", {}),
            ("global:\n  external_labels: {a: 'b\n", {}),
            ("global:\n  external_labels:\n    a: 010\n    b: 'x: y'\nc:\n- d\n", {"a": "010", "b": "x: y"}),
        ],
    )
    def test_only_their_section_is_read(self, configuration: str, labels: dict[str, str]) -> None:
        """As text: for Prometheus 010 is no number."""
        assert parse(configuration) == labels


class TestQueries:
    """Conditions of our own."""

    @pytest.mark.parametrize(
        ("limit", "values", "fires"),
        [
            ({"above": 10}, ["11", "10", "NaN", "+Inf", "-Inf"], ["0", "3"]),
            ({"below": 10}, ["9", "10", "NaN", "+Inf", "-Inf"], ["0", "4"]),
        ],
    )
    def test_what_is_beyond_the_limit_fires(
        self, server: Answers, limit: dict[str, float], values: list[str], fires: list[str]
    ) -> None:
        """The limit itself is not beyond, and NaN is nothing."""
        server.on["/api/v1/query"] = vector(*((str(i), value) for i, value in enumerate(values)))
        looks = Looks(server, alerts=False, queries=[{"name": "HighLag", "query": "lag", **limit}])
        assert [signal.labels["queue"] for signal in looks.at()] == fires

    def test_labels_come_from_the_series_the_file_and_the_name(self, server: Answers) -> None:
        """Texts name labels in braces; one that is missing reads as unknown."""
        server.on["/api/v1/query"] = vector(("mail", "12.5"))
        query = QUERY | {
            "severity": "P2",
            "labels": {"service": "{queue}-worker", "zone": "{zone}"},
            "summary": "{queue} waits {value} s, {limit} are allowed",
        }
        (signal,) = Looks(server, alerts=False, queries=[query]).at()
        assert signal.labels == {
            "alertname": "HighLag",
            "severity": "P2",
            "queue": "mail",
            "service": "mail-worker",
            "zone": "unknown",
        }
        assert signal.summary == "mail waits 12.5 s, 10 are allowed"
        assert signal.details == {"value": "12.5", "limit": "> 10", "query": "lag"}

    def test_without_a_summary_the_labels_the_value_and_the_limit_are_told(self, server: Answers) -> None:
        """In one line."""
        server.on["/api/v1/query"] = vector(("mail", "12.5"))
        (signal,) = Looks(server, alerts=False, queries=[QUERY]).at()
        assert signal.summary == "HighLag (queue=mail): 12.5 > 10"

    def test_a_condition_must_hold_without_a_break(self, server: Answers) -> None:
        """One good value, and the time begins anew."""
        looks = Looks(server, alerts=False, queries=[QUERY | {"for": "2 min"}])
        for second, value in ((0, "11"), (60, "9"), (90, "11"), (180, "11")):
            server.on["/api/v1/query"] = vector(("mail", value))
            assert looks.at(seconds=second) == []
        (signal,) = looks.at(seconds=210)
        assert signal.occurred_at == T0 + timedelta(seconds=90)
        assert signal.details["for"] == "0:02:00"

    def test_a_long_gap_between_looks_proves_nothing(self, server: Answers) -> None:
        """What fires already goes on, what waits begins anew."""
        looks = Looks(server, alerts=False, queries=[QUERY | {"for": "1 min"}])
        server.on["/api/v1/query"] = vector(("old", "11"))
        looks.at()
        server.on["/api/v1/query"] = vector(("old", "11"), ("new", "11"))
        assert told(looks.at(seconds=60)) == [("old", True)]
        assert looks.at(minutes=4) == []
        assert told(looks.at(minutes=5)) == [("new", True)]

    def test_a_query_without_an_answer_keeps_what_fired_before(self, server: Answers) -> None:
        """Neither told again nor resolved, while the others go on."""
        lag, up = vector(("mail", "11")), vector(("api", "0"))

        def answer(asked: Asked) -> Any:
            return lag if asked.params["query"] == "lag" else up

        server.on["/api/v1/query"] = answer
        looks = Looks(server, queries=[QUERY, {"name": "Down", "query": "up", "below": 1}])
        assert len(looks.at()) == 2
        lag, up = (422, '{"status": "error", "error": "too many samples"}'), vector()  # type: ignore[assignment]
        assert told(looks.at(minutes=6)) == [("api", False)]
        assert looks.at(minutes=7) == []
        (blind,) = looks.at(minutes=8)
        assert blind.labels["part"] == "query HighLag"
        assert "too many samples" in blind.details["error"]
        lag = vector()
        assert {(s.name, s.firing) for s in looks.at(minutes=9)} == {
            ("HighLag", False),
            ("DetectorFailing", False),
        }

    def test_a_partial_answer_keeps_what_fired_and_what_waits(self, server: Answers) -> None:
        """What is missing in it may still be there."""
        looks = Looks(server, alerts=False, queries=[QUERY | {"for": "1 min"}])
        server.on["/api/v1/query"] = vector(("mail", "11"))
        assert looks.at() == []
        server.on["/api/v1/query"] = vector(warnings=["store is away"])
        assert looks.at(seconds=30) == []
        server.on["/api/v1/query"] = vector(("mail", "11"))
        assert told(looks.at(seconds=60)) == [("mail", True)]
        server.on["/api/v1/query"] = vector(warnings=["store is away"])
        assert looks.at(seconds=90) == []

    def test_a_range_is_refused_with_a_remedy(self, server: Answers) -> None:
        """It has no single value."""
        server.on["/api/v1/query"] = success({"resultType": "matrix", "result": []})
        with pytest.raises(SourceUnavailable, match=r"gives a matrix, not a vector; put a function"):
            Looks(server, alerts=False, queries=[QUERY]).at()

    def test_a_histogram_has_no_value(self, server: Answers) -> None:
        """It is left out."""
        found = [{"metric": {}, "histogram": [1.5, {"count": "1"}]}]
        server.on["/api/v1/query"] = success({"resultType": "vector", "result": found})
        assert Looks(server, alerts=False, queries=[QUERY]).at() == []

    def test_a_query_that_hangs_leaves_time_for_the_next(self, server: Answers) -> None:
        """Each may take half of the time that is left."""
        server.on["/api/v1/query"] = lambda asked: (
            (server.hang(2), vector())[1] if asked.params["query"] == "lag" else vector(("api", "0"))
        )
        queries = [QUERY, {"name": "Down", "query": "up", "below": 1}]
        assert told(Looks(server, time_limit="1 s", alerts=False, queries=queries).at()) == [("api", True)]


class TestErrors:
    """Prometheus as a whole, and the file."""

    @pytest.mark.parametrize(
        "answer",
        [{"status": "error"}, [], alerts(alert(labels={"a": 1})), success({"alerts": "none"}), success(None)],
    )
    def test_an_answer_of_something_else_is_an_error(self, server: Answers, answer: Any) -> None:
        """Not "all is well"."""
        server.on["/api/v1/alerts"] = answer
        with pytest.raises(SourceUnavailable, match="is not one of Prometheus; check the URL"):
            Looks(server).at()

    def test_when_everything_fails_the_look_fails(self, server: Answers) -> None:
        """With the first reason."""
        server.on["/api/v1/alerts"] = (401, "who are you")
        with pytest.raises(SourceUnavailable, match="HTTP 401: who are you; check login, password"):
            Looks(server, queries=[QUERY]).at()

    def test_a_missing_connection_is_named(self) -> None:
        """With the way to define it."""
        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_INCIDENT_RESPONSE_PROMETHEUS"):
            PrometheusDetector(source(), lambda _: None).poll({}, T0)

    @pytest.mark.parametrize(
        ("fields", "remedy"),
        [
            ({"alerts": False}, "nothing to look at"),
            ({"queries": [QUERY, QUERY]}, "two queries are named 'HighLag'"),
            ({"queries": [QUERY | {"below": 1}]}, "exactly one of `above` and `below`"),
            ({"queries": [{"name": "HighLag", "query": "lag"}]}, "exactly one of `above` and `below`"),
            ({"queries": [QUERY | {"above": float("inf")}]}, "finite"),
            ({"queries": [QUERY | {"name": "high lag"}]}, "pattern"),
            ({"queries": [QUERY | {"labels": {"severity": "critical"}}]}, "comes from the field `severity`"),
            ({"queries": [QUERY | {"severity": "urgent"}]}, "critical"),
            ({"queries": [QUERY | {"for": "1 business day"}]}, "business"),
            ({"ignore": [{}]}, "name at least one label"),
            ({"ignore": [{"service": "("}]}, "no regular expression"),
        ],
    )
    def test_a_mistake_in_the_file_is_named(self, fields: dict[str, Any], remedy: str) -> None:
        """Before anything is asked."""
        with pytest.raises(ValidationError, match=remedy):
            source(**fields)
