"""What Alertmanager says, and what follows from it; answers that no real one can be made to give."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.detectors.alertmanager import AlertmanagerDetector
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.signals import Signal
from incident_response.sources.alertmanager import AlertmanagerSource
from tests.support.answers import Answers

T0 = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


def source(**fields: Any) -> AlertmanagerSource:
    return AlertmanagerSource.model_validate({"kind": "alertmanager", "name": "alertmanager", **fields})


def alert(service: str = "api", state: str = "active", **fields: Any) -> dict[str, Any]:
    return {
        "labels": {"alertname": "ContainerDown", "service": service},
        "annotations": {"description": "api is down"},
        "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
        "startsAt": "2026-03-01T01:55:00.000Z",
        "generatorURL": "http://prometheus.test/graph?token=hunter2",
        "receivers": [{"name": "team"}],
    } | fields


class Looks:
    """A detector with its cursor in front of a server whose answers a test sets."""

    def __init__(self, server: Answers, **fields: Any) -> None:
        self.detector = AlertmanagerDetector(source(**fields), lambda _: server.connection)
        self.cursor: Any = {}

    def at(self, **later: float) -> list[Signal]:
        seen = self.detector.poll(self.cursor, T0 + timedelta(**later))
        self.cursor = seen.cursor
        return list(seen.signals)


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as server:
        server.on["/api/v2/alerts"] = []
        server.on["/api/v2/status"] = {"uptime": "2026-02-01T00:00:00Z"}
        yield server


def told(signals: list[Signal]) -> list[tuple[str, bool]]:
    return [(signal.labels["service"], signal.firing) for signal in signals]


def test_an_active_alert_is_told_with_its_evidence(server: Answers) -> None:
    """Without the secrets that an address may hold."""
    server.on["/api/v2/alerts"] = [alert()]
    (signal,) = Looks(server, receiver="team.*").at()
    assert signal.summary == "api is down"
    assert signal.occurred_at == T0 - timedelta(minutes=5)
    assert signal.details["receivers"] == ["team"]
    assert signal.details["generator_url"] == "http://prometheus.test/graph?token=***"
    assert server.asked[0].params == {
        "active": "true",
        "silenced": "true",
        "inhibited": "true",
        "unprocessed": "true",
        "receiver": "team.*",
    }


@pytest.mark.parametrize("state", ["suppressed", "unprocessed", "a state of the future"])
def test_only_an_active_alert_opens_and_only_one_that_is_gone_resolves(server: Answers, state: str) -> None:
    """What is between the two is neither."""
    looks = Looks(server)
    server.on["/api/v2/alerts"] = [alert("known"), alert("new", state)]
    assert told(looks.at()) == [("known", True)]
    server.on["/api/v2/alerts"] = [alert("known", state), alert("new", state)]
    assert looks.at(minutes=6) == []
    server.on["/api/v2/alerts"] = [alert("new")]
    assert told(looks.at(minutes=7)) == [("new", True), ("known", False)]


def test_a_silenced_alert_is_told_again_when_the_silence_ends(server: Answers) -> None:
    """Its repetition was due long ago."""
    looks = Looks(server)
    server.on["/api/v2/alerts"] = [alert()]
    looks.at()
    server.on["/api/v2/alerts"] = [alert(state="suppressed")]
    assert looks.at(minutes=30) == []
    server.on["/api/v2/alerts"] = [alert()]
    assert told(looks.at(minutes=31)) == [("api", True)]


def test_after_a_restart_missing_alerts_are_given_time(server: Answers) -> None:
    """Also those that were held; who does not say when it started gets none."""
    looks = Looks(server)
    server.on["/api/v2/alerts"] = [alert("a"), alert("b")]
    looks.at()
    server.on["/api/v2/alerts"] = []
    server.on["/api/v2/status"] = {"uptime": "2026-03-01T02:00:30Z"}
    assert looks.at(minutes=1) == []
    server.on["/api/v2/alerts"] = [alert("a")]
    assert looks.at(minutes=2) == []
    server.on["/api/v2/status"] = {}
    assert told(looks.at(minutes=3)) == [("b", False)]


def test_the_start_is_asked_for_only_when_something_is_missing(server: Answers) -> None:
    """One request is enough for a usual look."""
    looks = Looks(server)
    server.on["/api/v2/alerts"] = [alert()]
    looks.at()
    looks.at(minutes=1)
    assert set(server.paths()) == {"/api/v2/alerts"}


@pytest.mark.parametrize("answer", [{"status": "success"}, [{"labels": {}}], ["x"], [alert(status=None)]])
def test_an_answer_of_something_else_is_an_error(server: Answers, answer: Any) -> None:
    """Not "all is well"."""
    server.on["/api/v2/alerts"] = answer
    with pytest.raises(SourceUnavailable, match="is not one of Alertmanager; check the URL"):
        Looks(server).at()


@pytest.mark.parametrize(
    ("fields", "remedy"), [({"receiver": "("}, "no regular expression"), ({"ignore": [{}]}, "name at least")]
)
def test_a_mistake_in_the_file_is_named(fields: dict[str, Any], remedy: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ValidationError, match=remedy):
        source(**fields)


def test_the_connection_it_needs_is_named() -> None:
    """Without it the source is not looked at."""
    assert source().connections == ("incident_response_alertmanager",)
