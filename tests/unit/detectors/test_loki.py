"""The detector of log lines: limits, hysteresis, labels, evidence, bad answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.detectors.loki import LokiDetector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured, SourceUnavailable
from incident_response.domain.signals import Signal
from incident_response.sources.loki import LokiSource
from tests.unit.detectors.fake_loki import Answer, FakeLoki, streams, vector

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
ERRORS = {"name": "errors", "query": '{app=~".+"} |= "ERROR"', "at_least": 10}


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    fake = FakeLoki()
    yield fake
    fake.close()


class Watchman:
    """A detector with its cursor; each poll goes through JSON, as the store does."""

    def __init__(self, loki: FakeLoki, *queries: Mapping[str, Any], **source: Any) -> None:
        fields = {"name": "logs", "kind": "loki", "queries": list(queries) or [ERRORS], **source}
        self.loki, self.now, self.cursor = loki, T0, {}
        self.counts: dict[str, Any] = {}
        self.fails: dict[str, Answer] = {}  # by a part of the query
        self.detector = LokiDetector(
            LokiSource.model_validate(fields), lambda _: Connection(loki.url, extra={"org_id": "lianel"})
        )
        loki.answer = self._answer

    def _answer(self, path: str, params: dict[str, str]) -> Answer:
        for part, answer in self.fails.items():
            if part in params["query"]:
                return answer
        if path == "query_range":
            return streams((params["end"], "ERROR it is so"))
        at = int(params["time"]) / 1e9
        return vector(*(({"service": service}, at, count) for service, count in self.counts.items()))

    def poll(self, minutes: float = 0.5, **counts: Any) -> list[Signal]:
        self.counts = {name.replace("_", "-"): str(count) for name, count in counts.items()}
        self.now += timedelta(minutes=minutes)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), self.now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        return list(seen.signals)


def told(signals: list[Signal]) -> list[tuple[str, bool]]:
    return [(signal.labels["service"], signal.firing) for signal in signals]


class TestLimits:
    """When a finding begins and ends."""

    def test_begins_at_the_limit_and_ends_below_half_of_it(self, loki: FakeLoki) -> None:
        """A count that sways around the limit is one finding."""
        watchman = Watchman(loki)

        assert watchman.poll(api=9) == []
        assert told(watchman.poll(api=10)) == [("api", True)]
        assert watchman.poll(api=5) == []
        assert told(watchman.poll(api=4)) == [("api", False)]
        assert watchman.poll(api=9) == []

    def test_its_own_end_can_be_set(self, loki: FakeLoki) -> None:
        """`clear_below` equal to `at_least`: no hysteresis."""
        watchman = Watchman(loki, {**ERRORS, "clear_below": 10})
        watchman.poll(api=10)

        assert told(watchman.poll(api=9)) == [("api", False)]

    def test_a_value_that_is_gone_has_ended(self, loki: FakeLoki) -> None:
        """Loki does not answer with zeros."""
        watchman = Watchman(loki)
        watchman.poll(api=10, web=10)

        assert told(watchman.poll(web=10)) == [("api", False)]

    def test_a_value_of_a_window_that_is_over_does_not_count(self, loki: FakeLoki) -> None:
        """Some servers go on giving the last value that was not nothing."""
        watchman = Watchman(loki)
        loki.answer = lambda path, params: vector(({"service": "api"}, T0.timestamp() - 400, "99"))

        assert watchman.poll(minutes=0) == []

    def test_lines_without_the_label_are_of_an_unknown_service(self, loki: FakeLoki) -> None:
        """They are not lost."""
        watchman = Watchman(loki)
        loki.answer = lambda path, params: (
            vector(({}, T0.timestamp(), 12)) if path == "query" else streams(("1772330400000000000", "ERROR"))
        )

        assert told(watchman.poll(minutes=0)) == [("unknown", True)]
        assert loki.asked[-1][1]["query"].endswith('| service=""')

    def test_a_fixed_service_counts_all_lines_together(self, loki: FakeLoki) -> None:
        """However many series the server makes of it."""
        watchman = Watchman(loki, {**ERRORS, "service": "lianel_energy"})

        [signal] = watchman.poll(a=6, b=6)

        assert (signal.labels["service"], signal.details["count"]) == ("lianel_energy", 12)
        assert loki.asked[0][1]["query"] == f"sum (count_over_time({ERRORS['query']} [300s]))"
        assert loki.asked[1][1]["query"] == ERRORS["query"]

    def test_a_storm_is_bounded_and_does_not_flap(self, loki: FakeLoki) -> None:
        """What was told stays told, although others are louder now."""
        watchman = Watchman(loki)
        first = watchman.poll(**{f"s{n}": 50 for n in range(150)})

        assert len(first) == 100
        assert watchman.poll(**{f"s{n}": 50 if n < 100 else 99 for n in range(150)}) == []
        assert len([path for path, _ in loki.asked if path == "query_range"]) == 20


class TestWords:
    """What a finding says."""

    def test_labels_identify_and_the_summary_counts(self, loki: FakeLoki) -> None:
        """No label holds a number that changes."""
        watchman = Watchman(loki, {**ERRORS, "severity": "critical", "component": "api"})

        [signal] = watchman.poll(api=12)

        assert signal.source == "loki"
        assert signal.labels == {
            "alertname": "LogErrorRate",
            "service": "api",
            "query": "errors",
            "component": "api",
            "severity": "critical",
        }
        assert signal.summary == "api: 12 log lines of errors in 5 min (limit 10); latest: ERROR it is so"
        assert signal.details["lines"] == [{"at": "2026-03-01T02:00:30.000+00:00", "line": "ERROR it is so"}]

    def test_lines_are_fetched_only_when_they_are_told(self, loki: FakeLoki) -> None:
        """At the beginning and at each repetition."""
        watchman = Watchman(loki, repeat="5 min")
        for _ in range(10):
            assert all(signal.details["lines"] for signal in watchman.poll(api=12))

        assert [path for path, _ in loki.asked].count("query_range") == 1
        [again] = watchman.poll(api=13)
        assert again.details["lines"]

    @pytest.mark.parametrize("at", ["1772330400123000000", 1772330400123000000])
    def test_times_may_be_numbers_or_strings(self, loki: FakeLoki, at: Any) -> None:
        """Loki writes strings, others write numbers."""
        watchman = Watchman(loki)
        loki.answer = lambda path, params: (
            vector(({"service": "api"}, str(T0.timestamp()), 12)) if path == "query" else streams((at, "x"))
        )

        [signal] = watchman.poll(minutes=0)

        assert signal.details["lines"] == [{"at": "2026-03-01T02:00:00.123+00:00", "line": "x"}]

    def test_a_value_is_quoted_as_loki_reads_it(self, loki: FakeLoki) -> None:
        """Whoever writes logs chooses it; half a character cannot be sent and becomes a question mark."""
        watchman = Watchman(loki)
        value = 'a"\\\n} |= "b\ud800'
        loki.answer = lambda path, params: (
            vector(({"service": value}, T0.timestamp(), 12)) if path == "query" else streams()
        )

        watchman.poll(minutes=0)

        assert loki.asked[-1][1]["query"] == ERRORS["query"] + r' | service="a\"\\\n} |= \"b?"'

    def test_long_lines_are_cut_and_secrets_masked(self, loki: FakeLoki) -> None:
        """Also in JSON within JSON."""
        watchman = Watchman(loki)
        line = r'{"log":"{\"password\":\"hunter2 and more\",\"text\":\"' + "x" * 9000
        loki.answer = lambda path, params: (
            vector(({"service": "api"}, T0.timestamp(), 12)) if path == "query" else streams((1, line))
        )

        [signal] = watchman.poll(minutes=0)

        [kept] = signal.details["lines"]
        assert len(kept["line"]) == 300
        assert "hunter2" not in repr(signal) + repr(watchman.cursor)


class TestTrouble:
    """Queries that get no answer."""

    OTHER = {"name": "other", "query": '{app="x"} |= "other"', "at_least": 10}

    def test_one_that_fails_keeps_its_findings_and_hides_no_other(self, loki: FakeLoki) -> None:
        """The other one resolves meanwhile; the one that fails is told as blindness after three looks."""
        watchman = Watchman(loki, ERRORS, self.OTHER)
        watchman.poll(api=12)
        watchman.fails['"ERROR"'] = (500, [b"too many outstanding requests"])

        assert [(s.labels["query"], s.firing) for s in watchman.poll()] == [("other", False)]
        assert watchman.poll(minutes=60) == []
        [blind] = watchman.poll()
        assert blind.labels == {
            "alertname": "DetectorFailing",
            "detector": "logs/errors",
            "service": "logs",
            "component": "infrastructure",
        }
        assert blind.details["problem"] == "HTTP 500: too many outstanding requests; its own log says why"
        watchman.fails.clear()
        assert [(s.name, s.firing) for s in watchman.poll()] == [
            ("LogErrorRate", False),
            ("DetectorFailing", False),
        ]

    def test_a_slow_one_hides_no_other(self, loki: FakeLoki) -> None:
        """All are asked at once, and the whole look ends with its time limit."""
        watchman = Watchman(loki, ERRORS, self.OTHER, time_limit="1 s")

        def slowly() -> Iterator[bytes]:
            for _ in range(60):  # always faster than a timeout between two bytes
                time.sleep(0.05)
                yield b" "

        watchman.fails['"ERROR"'] = (200, slowly())
        began = time.monotonic()

        assert [signal.labels["query"] for signal in watchman.poll(api=12)] == ["other"]
        assert time.monotonic() - began < 2

    def test_a_finding_without_its_lines_is_still_a_finding(self, loki: FakeLoki) -> None:
        """And it says why there are none."""
        watchman = Watchman(loki)
        watchman.fails['| service="api"'] = (400, [b"parse error"])

        [signal] = watchman.poll(api=12)

        assert signal.details["lines"] == []
        assert signal.details["lines_missing"] == "HTTP 400: parse error; correct the query"

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ((401, [b""]), "HTTP 401; check login and password"),
            ((404, [b"<html>"]), "without /loki/api/v1"),
            ((302, [b""]), "HTTP 302"),
            ((200, [b"<html>"]), "not as Loki does"),
            ((200, [b"[1]"]), "not as Loki does"),
            ((200, [b'{"data": {"resultType": "streams", "result": []}}']), "no vector"),
            ((200, [b'{"data": {"resultType": "vector", "result": [{"value": 1}]}}']), "unknown form"),
            ((200, (b" " * 1_000_000 for _ in range(12))), "longer than 10 MB"),
        ],
    )
    def test_a_bad_answer_says_what_to_check(self, loki: FakeLoki, answer: Answer, why: str) -> None:
        """With the names of the source, the connection and the query."""
        watchman = Watchman(loki)
        watchman.fails["ERROR"] = answer

        with pytest.raises(SourceUnavailable, match=r"logs: Loki \(connection 'inc.*errors: .*") as error:
            watchman.poll()

        assert why in str(error.value)


class TestConnection:
    """How it logs in."""

    @pytest.mark.parametrize(
        ("connection", "header"),
        [
            ({"extra": {"bearer_token": "t0ken"}}, "Bearer t0ken"),
            ({"login": "me", "password": "pw"}, "Basic bWU6cHc="),
            ({"login": "me", "password": "pw", "extra": {"bearer_token": "t0ken"}}, "Bearer t0ken"),
            ({}, None),
        ],
    )
    def test_logs_in(self, loki: FakeLoki, connection: dict[str, Any], header: str | None) -> None:
        """With a token, or with login and password."""
        watchman = Watchman(loki)
        watchman.detector._find = lambda _: Connection(loki.url, **connection)
        watchman.poll()

        assert loki.headers.get("authorization") == header

    def test_names_the_tenant(self, loki: FakeLoki) -> None:
        """Loki with several of them wants it."""
        Watchman(loki).poll()

        assert loki.headers["x-scope-orgid"] == "lianel"

    @pytest.mark.parametrize("host", ["http://[", "", "http://127.0.0.1:1"])
    def test_a_useless_host_is_an_error_that_names_the_connection(self, loki: FakeLoki, host: str) -> None:
        """Whatever is wrong with it."""
        watchman = Watchman(loki)
        watchman.detector._find = lambda _: Connection(host)

        with pytest.raises(SourceUnavailable, match=r"connection 'incident_response_loki'.*check"):
            watchman.poll()

    def test_a_missing_connection_says_how_to_define_it(self, loki: FakeLoki) -> None:
        """It is no outage."""
        watchman = Watchman(loki)
        watchman.detector._find = lambda _: None

        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_INCIDENT_RESPONSE_LOKI"):
            watchman.poll()
