"""The checks: what proves, what does not yet, and what is refused when the file is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from incident_response.actions.check_http import HttpAnswers
from incident_response.actions.check_prometheus import MetricHolds
from incident_response.actions.check_signals import Quiet
from incident_response.actions.check_wait import Wait
from incident_response.actions.registry import ACTIONS
from incident_response.domain.actions import Finding
from incident_response.domain.connections import Connection
from incident_response.domain.errors import BadInput, NotConfigured, SourceUnavailable
from incident_response.domain.records import Role, Sighting
from incident_response.parameters.registry import MODELS
from tests.support.answers import Answers
from tests.support.processes import free_port
from tests.support.scenes import incident, scene, sighting
from tests.support.web_server import WebServer
from tests.unit.actions.fake_ingestion import NOW, kit

SECRET = "correct-horse-9"


def test_every_action_has_its_model_and_every_field_is_described() -> None:
    """For the two families of this file's neighbours."""
    for name in ("data.missing", "data.ingest", "data.backfill", "data.ingested", "check.signals_quiet",
                 "check.http", "check.prometheus", "check.wait"):  # fmt: skip
        assert ACTIONS[name].parameters is MODELS[name]
        assert MODELS[name].__doc__
        assert all(field.description for field in MODELS[name].model_fields.values()), name


@pytest.mark.parametrize(
    ("action", "fields", "words"),
    [
        ("check.http", {}, "set `url`, or `conn_id`"),
        ("check.http", {"url": "ftp://x"}, "is no address"),
        ("check.http", {"url": "http://user:pw@x/"}, "holds a user or password"),
        ("check.http", {"url": "http://x", "path": "/y"}, "put it into `url`"),
        ("check.http", {"url": "http://x", "times": 20, "pause": "10 s"}, "takes longer than 30 s"),
        ("check.http", {"url": "http://x", "body": "("}, "no regular expression"),
        ("check.http", {"url": "http://x", "json": {"a": [1]}}, "compare one value"),
        ("check.http", {"url": "http://x", "status": 700}, "no HTTP status"),
        ("check.prometheus", {"query": "up"}, "exactly one of"),
        ("check.prometheus", {"query": "up", "above": 0, "below": 2}, "exactly one of"),
        ("check.wait", {"for": "2 business days"}, "business"),
        ("check.wait", {"for": "1 week"}, "less than or equal"),
        ("check.signals_quiet", {"atleast": 1}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused_when_the_file_is_read(
    action: str, fields: dict[str, Any], words: str
) -> None:
    """With the remedy."""
    with pytest.raises(ValidationError, match=words):
        MODELS[action].model_validate(fields)


class Eyes:
    """A lookout that a test tells what it sees."""

    def __init__(self, firing: Sequence[Sighting] = (), blind: Sequence[Sighting] = ()) -> None:
        self.firing, self.blind = firing, blind
        self.asked: Sequence[Sighting] = ()

    def still_firing(self, sightings: Sequence[Sighting], now: datetime) -> Any:
        assert now == NOW
        self.asked = sightings
        return self.firing, self.blind


class TestSignals:
    """check.signals_quiet."""

    API = sighting("http_health", alertname="ServiceUnhealthy", service="api")
    TOLD = sighting("webhook", alertname="Ticket", service="api")

    def look(self, eyes: Eyes, *seen: Sighting, **fields: Any) -> Finding:
        asked = MODELS["check.signals_quiet"].model_validate(fields)
        return Quiet(kit(lookout=eyes)).look(scene(incident("api"), asked, seen))

    def test_while_something_fires_it_is_not_proven(self) -> None:
        """Named, and asked again."""
        found = self.look(Eyes([self.API]), self.API, self.TOLD)
        assert found.proven is None
        assert found.text == "1 of 2 signals still fire: ServiceUnhealthy of api (http_health)"

    def test_what_nobody_can_look_at_is_named_and_blocks_nothing(self) -> None:
        """Unless the step wants something that can be looked at."""
        found = self.look(Eyes(blind=[self.TOLD]), self.API, self.TOLD)
        assert found.proven is True
        assert found.text == (
            "None of 1 signals that can be looked at fires any more; "
            "nobody can look again at Ticket of api (webhook)"
        )
        assert self.look(Eyes(blind=[self.TOLD]), self.TOLD).proven is True
        strict = self.look(Eyes(blind=[self.TOLD]), self.TOLD, least=1)
        assert strict.proven is None
        assert "0 signals could be looked at, 1 are wanted" in strict.text

    def test_sources_that_hang_are_given_up_in_time(self) -> None:
        """It is asked again; and a source that is away is no proof either."""

        class Hanging(Eyes):
            def still_firing(self, sightings: Sequence[Sighting], now: datetime) -> Any:
                return threading.Event().wait(5)

        asked = MODELS["check.signals_quiet"].model_validate({})
        here = scene(incident("api"), asked, [self.API], seconds=0.1)
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.1 s from the sources"):
            Quiet(kit(lookout=Hanging())).look(here)

    def test_only_its_own_signals_are_asked_about(self) -> None:
        """A consequence ends with its cause, or is taken in again on its own."""
        fields = {**self.API.__dict__, "role": Role.CONSEQUENCE}
        eyes = Eyes()
        assert self.look(eyes, self.API, Sighting(**fields)).proven is True
        assert eyes.asked == [self.API]


class TestHttp:
    """check.http, on a real server in this process."""

    @pytest.fixture
    def server(self) -> Iterator[WebServer]:
        with WebServer() as server:
            yield server

    def look(self, seconds: float = 10, connection: Connection | None = None, **fields: Any) -> Finding:
        asked = MODELS["check.http"].model_validate({"pause": "0 s", **fields})
        connections = {"api": connection} if connection else {}
        return HttpAnswers(kit(**connections)).look(scene(incident("api"), asked, seconds=seconds))

    def test_so_many_good_answers_in_a_row(self, server: WebServer) -> None:
        """It stops at the first bad one."""
        found = self.look(url=f"{server.url}/health?key=hunter2", times=3)
        assert (found.proven, len(server.asked)) == (True, 3)
        assert f"{server.url}/health answers 200 as expected 3 times in a row" in found.text
        assert "hunter2" not in repr(found)
        server.status = 503
        found = self.look(url=server.url, times=3)
        assert (found.proven, len(server.asked)) == (None, 4)
        assert "answers 503 instead of 200..399, after 0 of 3 good answers" in found.text

    def test_its_words_and_its_time(self, server: WebServer) -> None:
        """Body, JSON, status, and how long it took."""
        server.body = b'{"scheduler": {"status": "healthy"}, "token": "hunter2"}'
        assert self.look(url=server.url, json={"scheduler.status": "healthy"}, body="heal").proven is True
        found = self.look(url=server.url, json={"scheduler.status": "sick"})
        assert found.proven is None
        assert 'says scheduler.status is "healthy" instead of "sick"' in found.text
        assert "hunter2" not in repr(found)
        assert self.look(url=server.url, status=204).proven is None
        server.delay = 0.1
        slow = self.look(url=server.url, within="0.05 s")
        assert slow.proven is None
        assert "(limit 0.05 s)" in slow.text

    def test_a_server_that_drips_is_given_up_in_time(self, server: WebServer) -> None:
        """The whole of it is bounded."""
        server.drips = True
        found = self.look(url=server.url, seconds=1, times=3)
        assert found.proven is None
        assert "within" in found.text

    def test_too_little_time_for_all_proves_nothing(self, server: WebServer) -> None:
        """Two of three were good."""
        server.delay = 0.4
        found = self.look(url=server.url, seconds=1.2, times=3)
        assert found.proven is None

    def test_one_that_is_away(self) -> None:
        """Not yet: it may come back."""
        found = self.look(url=f"http://127.0.0.1:{free_port()}")
        assert (found.proven, "refuses connections" in found.text) == (None, True)

    def test_a_connection_gives_address_and_login(self, server: WebServer) -> None:
        """Never shown."""
        port = int(server.url.rsplit(":", 1)[1])
        found = self.look(connection=Connection("127.0.0.1", "me", SECRET, port), conn_id="api", path="/x")
        assert found.proven is True
        assert server.asked[0][0] == "/x"
        assert server.asked[0][1].startswith("Basic ")
        assert SECRET not in repr(found)
        with pytest.raises(NotConfigured, match="'api' is not defined"):
            self.look(conn_id="api")
        with pytest.raises(NotConfigured, match="or holds a login") as strange:
            self.look(connection=Connection(f"http://me:{SECRET}@x"), conn_id="api")
        assert SECRET not in str(strange.value)
        with pytest.raises(NotConfigured, match=r"authority /nowhere\.pem cannot be read"):
            self.look(url="https://x", ca="/nowhere.pem")


class TestPrometheus:
    """check.prometheus; the integration test asks a real one."""

    @pytest.fixture
    def server(self) -> Iterator[Answers]:
        with Answers() as server:
            yield server

    def look(self, server: Answers, began: datetime | None = None, **fields: Any) -> Finding:
        limits = {"query": "latency", "below": 0.5, "for": "10 s", **fields}
        asked = MODELS["check.prometheus"].model_validate(limits)
        here = scene(incident("api"), asked, started_at=began, seconds=5)
        return MetricHolds(kit(incident_response_prometheus=server.connection)).look(here)

    def serve(self, server: Answers, *rows: Sequence[float | None], **more: Any) -> None:
        end = int(NOW.timestamp())
        result = [
            {
                "metric": {"__name__": "latency", "path": f"/{number}"},
                "values": [
                    [end - len(row) + 1 + at, str(value)] for at, value in enumerate(row) if value is not None
                ],
            }
            for number, row in enumerate(rows)
        ]
        server.on["/api/v1/query_range"] = {
            "status": "success",
            "data": {"resultType": "matrix", "result": result},
            **more,
        }

    GOOD = (0.1,) * 11

    def test_all_series_at_all_moments(self, server: Answers) -> None:
        """A gap, a value on the limit, and NaN prove nothing."""
        self.serve(server, self.GOOD, self.GOOD)
        found = self.look(server)
        assert (found.proven, found.text) == (True, "latency is below 0.5 in 2 series for 0:00:10")
        bad: Sequence[Sequence[float | None]] = [
            (*self.GOOD[:-1], 0.5), (0.9, *self.GOOD[1:]), (None, *self.GOOD[1:]),
            (*self.GOOD[:5], None, *self.GOOD[6:]), (*self.GOOD[:-1], float("nan")),
        ]  # fmt: skip
        for row in bad:
            self.serve(server, self.GOOD, row)
            found = self.look(server)
            assert found.proven is None, row
            assert "latency{path=/1}" in found.text
        self.serve(server)
        assert "gives no series at all" in self.look(server).text

    def test_its_time_begins_with_the_remediation(self, server: Answers) -> None:
        """What was good before proves no repair."""
        self.serve(server, self.GOOD)
        assert self.look(server, NOW - timedelta(seconds=10)).proven is True
        early = self.look(server, NOW - timedelta(seconds=7.5))
        assert (early.proven, early.text) == (None, "latency is below 0.5; proven in 3 s")

    def test_an_answer_that_lacks_something_proves_nothing(self, server: Answers) -> None:
        """A store behind it is away."""
        self.serve(server, self.GOOD, warnings=["store x is away"])
        assert self.look(server).proven is None

    def test_a_query_that_cannot_be_read_and_a_server_that_is_away(self, server: Answers) -> None:
        """The first is a mistake in the file; neither repeats a password."""
        server.on["/api/v1/query_range"] = (400, '{"error": "parse error; password=hunter2"}')
        with pytest.raises(BadInput, match="cannot read the query: parse error; password=\\*\\*\\*"):
            self.look(server)
        server.on["/api/v1/query_range"] = (503, "")
        with pytest.raises(SourceUnavailable):
            self.look(server)


class TestWait:
    """check.wait."""

    def look(self, began: datetime | None, found: Any = None) -> Finding:
        asked = MODELS["check.wait"].model_validate({"for": "30 s"})
        return Wait(kit()).look(scene(incident("api"), asked, started_at=began, found=found or {}))

    def test_since_the_remediation_began_to_act(self) -> None:
        """Else since it was asked for first."""
        assert self.look(NOW - timedelta(seconds=29)).proven is None
        assert self.look(NOW - timedelta(seconds=30)).proven is True
        first = self.look(None)
        assert (first.proven, first.text) == (None, "Waiting for 30 s, 30 s are left")
        before = {**first.data, "since": (NOW - timedelta(seconds=30)).isoformat()}
        assert self.look(None, {"pause": before}).proven is True
