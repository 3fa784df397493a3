"""Webhooks: what every refusal leaves behind (nothing), and how much one sender may ask for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from incident_response.domain.errors import PolicyError, SchemaOutdated, SettingsError, StoreUnavailable
from incident_response.domain.records import IntegrationKind
from incident_response.web.hooks import body as bodies
from incident_response.web.hooks import work
from incident_response.web.hooks.refusals import Refusal
from incident_response.web.hooks.room import Room
from tests.web.conftest import House
from tests.web.hooking import ALERTMANAGER, CONTENT, GRAFANA, PAGERDUTY, PATHS, SIGNAL, Senders, Wire, body


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


@pytest.mark.parametrize("kind", list(IntegrationKind))
def test_a_body_that_is_too_large_is_refused(senders: Senders, kind: IntegrationKind) -> None:
    """Eight mebibytes from those we know, one from those whose token is in the body."""
    limit = bodies.STRANGERS if kind is PAGERDUTY else bodies.LIMIT
    content = json.dumps(CONTENT[kind] | {"x": "x" * limit}).encode()
    assert senders.send(kind, content).status_code == 413
    assert senders.open() == []


def findings(senders: Senders) -> list[Any]:
    return [one for one in senders.house.services.doctor.banner(senders.house.now) if one.check == "senders"]


@pytest.mark.parametrize("kind", [ALERTMANAGER, GRAFANA])
def test_a_sender_that_was_refused_for_good_is_named_on_the_page(
    senders: Senders, kind: IntegrationKind
) -> None:
    """Alertmanager and Grafana drop what is answered with 4xx: only the people here can mend it."""
    assert findings(senders) == []
    content = json.dumps(CONTENT[kind] | {"x": "x" * bodies.LIMIT}).encode()
    assert senders.send(kind, content).status_code == 413
    (finding,) = findings(senders)
    assert f"a-{kind.value}" in finding.text
    assert "larger than 8 MiB" in finding.text
    assert "max_alerts" in finding.remedy
    page = senders.house.client().get("").text
    assert f"a-{kind.value} ({kind.value}) was refused" in page
    assert "max_alerts" in page
    senders.house.later(hours=25)
    assert findings(senders) == []


def test_a_storm_of_a_thousand_alerts_in_one_group_is_taken(senders: Senders) -> None:
    """More than a megabyte, as Alertmanager sends it; and up to eight."""
    good = body("alertmanager_firing")["alerts"][0]
    note = "x" * 500
    alerts = [
        {**good, "labels": {**good["labels"], "instance": f"host-{n}:9100"}, "annotations": {"d": note}}
        for n in range(1200)
    ]
    content = json.dumps(body("alertmanager_firing") | {"alerts": alerts}).encode()
    assert len(content) > 1024 * 1024
    assert senders.send(ALERTMANAGER, content).json()["taken"] == 1200
    padded = json.dumps(body("alertmanager_firing") | {"x": "x" * (bodies.LIMIT - 20_000)}).encode()
    assert senders.send(ALERTMANAGER, padded).status_code == 200


def test_an_odd_alert_does_not_cost_its_group(senders: Senders) -> None:
    """2xx, the good ones are taken, the odd one says what was odd, the lost one is a finding."""
    good = body("alertmanager_firing")["alerts"][0]
    odd = {**good, "labels": {"alertname": "OddOne", "code": 503}, "startsAt": "2026-01-15T01:00:00"}
    answer = senders.alerts(body("alertmanager_firing") | {"alerts": [good, odd, None]})
    assert (answer.status_code, answer.json()["taken"]) == (200, 2)
    assert len(senders.open()) == 2
    assert "labels.code: a number" in senders.everything()
    (finding,) = findings(senders)
    assert "a-alertmanager" in finding.text
    assert "alerts.2" in finding.text


def test_an_alert_that_cannot_be_stored_does_not_cost_its_group(senders: Senders, monkeypatch) -> None:
    """Else Alertmanager would repeat the whole group for ever, or drop it."""
    intake, good = senders.house.services.intake, body("alertmanager_firing")["alerts"][0]
    real = intake.receive

    def receive(signals: Any, now: Any) -> Any:
        if any(signal.name == "Poison" for signal in signals):
            raise ValueError("s3cret")
        return real(signals, now)

    monkeypatch.setattr(intake, "receive", receive)
    alerts = [{**good, "labels": {"alertname": f"A{n}"}} for n in range(9)]
    alerts[4]["labels"] = {"alertname": "Poison"}
    answer = senders.alerts(body("alertmanager_firing") | {"alerts": alerts})
    assert (answer.status_code, answer.json()["taken"]) == (200, 8)
    (finding,) = findings(senders)
    assert "Poison: ValueError" in finding.text
    assert "s3cret" not in finding.text


def test_many_large_bodies_wait_for_a_place_instead_of_memory(house: House) -> None:
    """What finds none within the time is told to come again."""

    async def crowd() -> list[str]:
        room = Room(places=4, large=2, patience=0.1)
        seen: list[str] = []

        async def one(name: str) -> None:
            async with contextlib.AsyncExitStack() as held:
                await room.enter(held)
                try:
                    await room.enter_large(held)
                except Refusal as refusal:
                    seen.append(f"{refusal.status} {refusal.headers['Retry-After']}")
                else:
                    seen.append("in")
                    await asyncio.sleep(0.5)

        await asyncio.gather(*(one(str(n)) for n in range(4)))
        await one("later")
        return seen

    assert asyncio.run(crowd()) == ["in", "in", "503 5", "503 5", "in"]


@pytest.mark.parametrize("length", ["", "10", "-1", "\xb2", "99999999", "9" * 5000])
def test_a_length_that_lies_is_found_out(senders: Senders, length: str) -> None:
    """While an endless body is read; a promise of too much is refused before that."""
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(65536)
            yield b" " * 65536

    headers = {"authorization": f"Bearer {senders.tokens[ALERTMANAGER]}".encode()}
    headers |= {"content-length": length.encode("latin-1")} if length else {}
    wire = Wire(senders.house.app)
    assert wire.post(PATHS[ALERTMANAGER], endless(), headers)[0] == 413
    assert len(read) == (0 if length.startswith("99") else bodies.LIMIT // 65536 + 1)
    wire.close()


def test_a_compressed_body_is_refused(senders: Senders) -> None:
    """It may unpack to anything."""
    for coding in ("gzip", "deflate", "br", "identity, gzip"):
        answer = senders.send(ALERTMANAGER, body("alertmanager_firing"), **{"content-encoding": coding})
        assert answer.status_code == 415
    assert senders.send(ALERTMANAGER, CONTENT[ALERTMANAGER], **{"content-encoding": "identity"}).is_success


def test_a_body_that_does_not_come_is_given_up(senders: Senders, monkeypatch) -> None:
    """A sender that stops in the middle holds nothing."""
    import anyio

    async def stuck(*_: Any) -> None:
        await anyio.sleep(60)

    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    monkeypatch.setattr(bodies, "_receive", stuck)
    answer = senders.alerts(body("alertmanager_firing"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_body_is_read_only_for_those_who_may_send(senders: Senders, monkeypatch) -> None:
    """A stranger's megabyte is not even looked at."""
    monkeypatch.setattr(bodies, "parse", lambda content: pytest.fail("it was read"))
    content = body("alertmanager_firing")
    assert senders.send(ALERTMANAGER, content, authorization="Bearer x").status_code == 401
    other = f"Bearer {senders.tokens[GRAFANA]}"
    assert senders.send(ALERTMANAGER, content, authorization=other).status_code == 403


def test_wrong_fields_are_named_and_not_quoted(senders: Senders) -> None:
    """422 with field and remedy; what stood there may be a secret."""
    answer = senders.plain(title="x", severity="s3cret", titel="s3cret")
    assert answer.status_code == 422
    assert {problem.split(":")[0] for problem in answer.json()["problems"]} == {"severity", "titel"}
    assert answer.json()["remedy"]
    assert "s3cret" not in answer.text
    assert senders.plain().json()["problems"] == ["title: is missing; say in one line what is wrong"]


def test_an_event_that_is_wrong_is_refused_in_pagerdutys_shape(senders: Senders) -> None:
    """400 with a list of errors."""
    answer = senders.event("trigger", payload={"summary": "x", "source": "y", "severity": "bad"})
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert answer.json()["errors"][0].startswith("payload.severity: ")
    for content in (b"{", b"[]", b"\xff", b"1"):
        answer = senders.send(PAGERDUTY, content)
        assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")


def test_a_sender_that_has_gone_mad_is_slowed_down(senders: Senders) -> None:
    """200 at once, 50 a second; others are not touched; it is told when to come again."""
    content = {"version": "4", "alerts": []}
    codes = [senders.alerts(content).status_code for _ in range(201)]
    assert codes == [200] * 200 + [503]
    answer = senders.alerts(content)
    assert answer.headers["retry-after"] == "1"
    assert senders.grafana(content).status_code == 200
    senders.house.later(seconds=1)
    assert [senders.alerts(content).status_code for _ in range(51)] == [200] * 50 + [503]


def test_pagerdutys_clients_are_throttled_by_what_they_repeat(senders: Senders) -> None:
    """In their own words."""
    for _ in range(200):
        senders.event("resolve", "x")
    answer = senders.event("resolve", "x")
    assert (answer.status_code, answer.json()["status"]) == (503, "internal error")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("error", [StoreUnavailable(), SchemaOutdated()])
@pytest.mark.parametrize("kind", list(IntegrationKind))
def test_a_store_that_is_away_makes_the_sender_try_again(
    senders: Senders, kind: IntegrationKind, error: Exception, monkeypatch
) -> None:
    """503 with Retry-After, also when it goes away between the look at the token and the commit."""

    @contextlib.contextmanager
    def gone():
        raise error
        yield

    assert senders.send(kind, CONTENT[kind]).is_success  # the token is known from here on
    for name in ("transaction", "read"):
        monkeypatch.setattr(senders.house.services.store, name, gone)
        answer = senders.send(kind, CONTENT[kind])
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        senders.house.later(minutes=2)
    client = senders.house.client(None)
    assert client.post(PATHS[kind], content=b"").status_code == 401, "a stranger learns nothing of it"


@pytest.mark.parametrize(
    "error", [SettingsError("tick_interval is -1"), PolicyError("broken", file="x.yaml")]
)
def test_a_broken_installation_makes_the_sender_try_again(senders: Senders, error: Exception) -> None:
    """Its details are for the operators, not for the sender."""

    def broken() -> Any:
        raise error

    senders.house.app.state.services = broken
    answer = senders.alerts(body("alertmanager_firing"))
    assert answer.status_code == 503
    assert str(error) not in answer.text


def test_something_unexpected_quotes_nothing(senders: Senders, monkeypatch, caplog) -> None:
    """Neither in the answer nor in the log: a driver's error holds the values it was given."""

    def fail(*_: Any) -> None:
        raise ValueError(f"cannot store s3cret {senders.tokens[ALERTMANAGER]}")

    monkeypatch.setattr(senders.house.services.intake, "receive", fail)
    answer = senders.alerts(body("alertmanager_firing"))
    assert answer.status_code == 500
    assert "Nothing was taken" in answer.text
    logged = caplog.text + "".join(str(record.exc_info) for record in caplog.records)
    assert "ValueError" in logged
    assert "test_hooks_protection.py" in logged
    for text in (answer.text, logged):
        assert "s3cret" not in text
        assert senders.tokens[ALERTMANAGER] not in text


def test_a_queue_that_grows_is_cut(senders: Senders, monkeypatch) -> None:
    """With the store away threads wait for its timeout; whoever comes behind a long queue is sent away."""
    monkeypatch.setattr(work, "WAITING", 0)
    answer = senders.alerts(body("alertmanager_firing"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_no_token_and_no_body_reaches_a_log(senders: Senders, caplog) -> None:
    """At the most talkative level, for what is taken and for what is refused."""
    caplog.set_level(logging.DEBUG)
    marked = body("alertmanager_firing")
    marked["alerts"][0]["annotations"]["summary"] = "b0dymark"
    senders.alerts(marked)
    senders.alerts({**marked, "version": "b0dymark"})
    senders.event("trigger", payload={"summary": "b0dymark", "source": "x", "severity": "b0dymark"})
    senders.send(SIGNAL, b"{b0dymark")
    senders.send(SIGNAL, {"title": "b0dymark"}, authorization=f"Bearer {senders.tokens[GRAFANA]}")
    assert "b0dymark" not in caplog.text
    for token in senders.tokens.values():
        assert token not in caplog.text
        assert token.split("_", 2)[2] not in caplog.text


def test_answers_carry_the_headers_of_all_answers(senders: Senders) -> None:
    """The page's middleware stands around the hooks, too."""
    answer = senders.alerts(body("alertmanager_firing"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_other_methods_and_addresses_are_nothing(senders: Senders) -> None:
    """With a token 404, without one 401 (the walk over all routes shows that)."""
    token = {"authorization": f"Bearer {senders.tokens[SIGNAL]}"}
    client = senders.house.client(None)
    assert client.get("hooks/signal", headers=token).status_code == 404
    assert client.post("hooks/", headers=token).status_code == 404
    assert client.post("hooks/signal/", headers=token).status_code == 404
    content = {"routing_key": senders.tokens[PAGERDUTY]}
    assert client.post("hooks/pagerduty/v2/change/enqueue", json=content).status_code == 404
