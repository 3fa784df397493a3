"""What makes an answer healthy, how often it may fail, and what may stand in the file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from incident_response.clients.http_expectations import MOST_BYTES, what_is_wrong
from incident_response.clients.http_failures import in_words
from incident_response.clients.http_probe import Answer
from incident_response.detectors.http_health import HttpHealthDetector
from incident_response.detectors.http_streaks import Streak
from incident_response.detectors.parallel import settle
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.domain.signals import Signal
from incident_response.http_statuses import contains
from incident_response.http_statuses import in_words as status_words
from incident_response.sources.http_health import HttpHealthSource, HttpTarget

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)
URL = "http://127.0.0.1:3001/health"


def target(**settings: Any) -> HttpTarget:
    return HttpTarget.model_validate({"service": "energy", "url": URL, **settings})


def source(*targets: dict[str, Any], **settings: Any) -> HttpHealthSource:
    listed = [{"service": "energy", "url": URL} | one for one in targets or ({},)]
    return HttpHealthSource.model_validate(
        {"name": "health", "kind": "http_health", "targets": listed, **settings}
    )


class TestExpectations:
    """What an answer should say."""

    @pytest.mark.parametrize(
        ("text", "healthy", "sick", "words"),
        [
            ("200..399", 302, 404, "200..399"),
            ("200-299", 204, 301, "200..299"),
            (200, 200, 204, "200"),
            ("200, 301..303", 302, 204, "200, 301..303"),
            ([200, "401"], 401, 403, "200, 401"),
        ],
    )
    def test_statuses(self, text: object, healthy: int, sick: int, words: str) -> None:
        """As people write them."""
        statuses = target(expect_status=text).expect_status

        assert contains(statuses, healthy)
        assert not contains(statuses, sick)
        assert status_words(statuses) == words

    @pytest.mark.parametrize(
        ("settings", "body", "wrong"),
        [
            ({}, b"", ""),
            ({"body": "ready"}, b"not at all", "its text has no 'ready'"),
            (
                {"body": "ready"},
                b" " * 70_000 + b"ready",
                "its text has no",
            ),  # only the beginning is searched
            ({"body": "ready"}, b"ready \xff", ""),
            ({"json": {"status": "UP"}}, b'{"status": "UP"}', ""),
            ({"json": {"status": "UP"}}, b'{"status": "DOWN"}', 'says status is "DOWN" instead of "UP"'),
            ({"json": {"a.1.b": 2}}, b'{"a": [0, {"b": 2}]}', ""),
            ({"json": {"a.2.b": 2}}, b'{"a": [0, {"b": 2}]}', "its JSON has no a.2.b"),
            ({"json": {"ok": True}}, b'{"ok": 1}', "says ok is 1 instead of true"),
            ({"json": {"gone": None}}, b'{"gone": null}', ""),
            ({"json": {"gone": None}}, b"{}", "its JSON has no gone"),
            ({"json": {"ok": True}}, b"<html>", "but not in JSON"),
            ({"json": {"ok": True}}, b"[" * 100_000, "but not in JSON"),
            ({"json": {"ok": True}}, b" " * (MOST_BYTES + 1), "bytes of JSON"),
            ({"json": {"token": "a"}}, b'{"token": "s3cret"}', "says token is *** instead of ***"),
        ],
    )
    def test_bodies(self, settings: dict[str, Any], body: bytes, wrong: str) -> None:
        """Texts and JSON; nothing that a server sends makes a look fail."""
        found = what_is_wrong(target(**settings), 200, body)

        assert wrong in found
        assert bool(found) is bool(wrong)


class TestStreaks:
    """How often in a row."""

    @pytest.mark.parametrize(
        ("looks", "firing"),
        [
            ("b", "."),
            ("bb", ".F"),
            ("bgbb", "...F"),  # a good one begins the count anew
            ("bbgbgg", ".FFFF."),  # one good one does not end it
        ],
    )
    def test_twice_bad_and_twice_good(self, looks: str, firing: str) -> None:
        """Kept as JSON from look to look."""
        kept: Mapping[str, Any] | None = None
        seen = ""
        for number, look in enumerate(looks):
            now = T0 + timedelta(minutes=number)
            reason = "is away" if look == "b" else ""
            streak = Streak.read(kept).add(reason, {}, now, failures=2, successes=2)
            kept = streak.kept()
            seen += "F" if streak.firing else "."

        assert seen == firing

    def test_grace_counts_from_the_first_bad_look(self) -> None:
        """Ten bad looks within two minutes are no finding when two minutes are granted."""
        streak, grace = Streak(), timedelta(minutes=2)
        for second in range(0, 120, 10):
            streak = streak.add("x", {}, T0 + timedelta(seconds=second), failures=2, successes=1, grace=grace)
            assert not streak.firing

        streak = streak.add("x", {}, T0 + grace, failures=2, successes=1, grace=grace)
        assert streak.firing
        assert streak.since == T0


class Script:
    """Answers that a test writes, in place of the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *targets: dict[str, Any]) -> None:
        self.answers = [Answer(status=200, seconds=0.01) for _ in targets]
        self.detector = HttpHealthDetector(source(*targets), lambda _: None)
        self.cursor: Mapping[str, Any] = {}
        monkeypatch.setattr(self.detector, "_ask_all", lambda _: self.answers)

    def poll(self, answer: Answer, now: datetime = T0) -> list[Signal]:
        self.answers = [answer]
        seen = self.detector.poll(self.cursor, now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        return list(seen.signals)


class TestCertificates:
    """Their end."""

    def test_told_as_ending_then_as_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And what an answer without a certificate says of it is nothing."""
        script = Script(monkeypatch, {"url": "https://a/", "tls_days": 14, "failures": 1, "successes": 1})
        end = T0 + timedelta(days=20)
        good = Answer(status=200, seconds=0.1, certificate_end=end)

        assert script.poll(good) == []
        [ending] = script.poll(good, T0 + timedelta(days=7))
        assert ending.summary.startswith("The TLS certificate of energy ends in 13 days, on 2026-03-21 02:00")
        away = Answer("refuses connections")
        assert [s.name for s in script.poll(away, T0 + timedelta(days=7, minutes=1))] == ["ServiceUnhealthy"]
        over = Answer("is over", certificate_end=end, expired=True)
        signals = script.poll(over, end)
        assert sorted((s.name, s.firing) for s in signals) == [
            ("ServiceUnhealthy", True),  # told again: nobody knows whether it is well now
            ("TLSCertificateExpired", True),
            ("TLSCertificateExpiring", False),
        ]

    def test_the_memory_holds_configured_targets_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that was taken out of the file is resolved and forgotten."""
        script = Script(monkeypatch, {"failures": 1})
        script.poll(Answer("is away"))
        other = Script(monkeypatch, {"service": "stock"})
        other.cursor = script.cursor

        assert [(s.labels["service"], s.firing) for s in other.poll(Answer(status=200))] == [
            ("energy", False)
        ]
        assert list(other.cursor["memory"]["targets"]) == [f"stock {URL}"]


def test_the_label_of_a_target_holds_no_query() -> None:
    """It may hold a key, and is no part of the identity."""
    assert target(url="https://a.example:8443/x?key=1#y").label == "https://a.example:8443/x"
    assert target(url="http://a").label == "http://a/"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "localhost:3001"}, "is no address"),
        ({"url": "ftp://a/"}, "is no address"),
        ({"url": "http://a:99999/"}, "is no address"),
        ({"url": "http://a/ b"}, "is no address"),
        ({"url": "http://me:s3cret@a/"}, "put them into an Airflow connection"),
        ({"expect_status": "2xx"}, "'2xx' is no HTTP status"),
        ({"expect_status": "399..200"}, "is no HTTP status"),
        ({"expect_status": []}, "no status is left"),
        ({"body": "("}, "is no regular expression"),
        ({"json": {"a": {"b": 1}}}, "a: compare one value"),
        ({"within": "5 s"}, "within must be shorter than one try may take, 3.5 s; raise time_limit"),
        ({"tls_day": 3}, "Extra inputs are not permitted"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(settings: dict[str, Any], message: str) -> None:
    """When the file is loaded; the message tells the remedy."""
    with pytest.raises(ValidationError) as error:
        source(settings)
    assert message in str(error.value)


def test_two_targets_that_would_have_the_same_findings_are_refused() -> None:
    """They would resolve each other's."""
    with pytest.raises(ValidationError, match=r"energy has .* twice"):
        source({"url": f"{URL}?a=1"}, {"url": f"{URL}?a=2"})


class TestLogin:
    """What is sent to a service that wants to know who asks."""

    def headers(self, find: Callable[[str], Connection | None]) -> dict[str, str]:
        made = source({"conn_id": "login"})
        assert made.connections == ("login",)
        return HttpHealthDetector(made, find)._headers(made.targets[0])

    def test_a_password_alone_is_a_token(self) -> None:
        """With a login it is basic authentication."""
        assert self.headers(lambda _: Connection("", password="t")) == {"Authorization": "Bearer t"}
        basic = self.headers(lambda _: Connection("", login="u", password="p"))
        assert basic == {"Authorization": "Basic dTpw"}

    def test_nothing_to_log_in_with(self) -> None:
        """Asking without would only look like an outage."""
        with pytest.raises(NotConfigured, match="has neither login nor password"):
            self.headers(lambda _: Connection(""))
        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_LOGIN"):
            self.headers(lambda _: None)


def test_an_authority_that_cannot_be_read() -> None:
    """Is said before anything is asked."""
    detector = HttpHealthDetector(source({"ca": "/none/ca.pem"}), lambda _: None)

    with pytest.raises(NotConfigured, match=r"/none/ca\.pem cannot be read"):
        detector.poll({}, T0)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectTimeout("t"), "accepts no connection within 3.5 s"),
        (httpx.ReadTimeout("t"), "does not answer within 3.5 s"),
        (httpx.RemoteProtocolError("Server disconnected"), "gives a broken answer: Server disconnected"),
        (httpx.ConnectError("No route to host"), "cannot be reached: No route to host"),
        (ConnectionRefusedError(111, "refused"), "refuses connections"),
    ],
)
def test_reasons(error: Exception, words: str) -> None:
    """Read after the service's name."""
    assert in_words(error, 3.5) == words


def test_jobs_that_hang_are_left_behind() -> None:
    """And the results of the others are there."""
    forever = threading.Event()
    done = settle({"a": lambda: 1, "b": lambda: forever.wait(5)}, threads=2, seconds=0.1)
    forever.set()

    assert done == {"a": 1}
    assert settle({}, threads=1, seconds=1) == {}
