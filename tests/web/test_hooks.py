"""Webhooks: who may send, what is taken, and what every refusal leaves behind (nothing)."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from incident_response.domain.errors import PolicyError, SchemaOutdated, SettingsError, StoreUnavailable
from incident_response.domain.incidents import Status
from incident_response.domain.ports import IntegrationKind
from incident_response.domain.severities import Scenario, Severity
from incident_response.web.hooks import body as bodies
from incident_response.web.hooks import work
from tests.web.conftest import OPERATOR, House
from tests.web.hooking import PATHS, Senders, Wire, body

ALERTMANAGER, GRAFANA = IntegrationKind.ALERTMANAGER, IntegrationKind.GRAFANA
PAGERDUTY, SIGNAL = IntegrationKind.PAGERDUTY, IntegrationKind.SIGNAL
CONTENT = {
    ALERTMANAGER: body("alertmanager_firing"),
    GRAFANA: body("grafana"),
    PAGERDUTY: body("pagerduty_trigger"),
    SIGNAL: {"title": "Invoices are missing", "severity": "P2", "service": "billing"},
}


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


# ------------------------------------------------------------------------------------------ what is taken


def test_alertmanager_opens_an_incident_and_ends_it(senders: Senders) -> None:
    """As the rule of its alert says; quiet is not yet resolved."""
    answer = senders.alerts(body("alertmanager_firing"))
    assert (answer.status_code, answer.json()) == (200, {"taken": 1, "incidents": ["INC-1"]})
    incident = senders.house.get(1)
    assert (incident.severity, incident.scenario) == (Severity.P1, Scenario.DATABASE)
    assert (incident.service, incident.runbook) == ("lianel_energy", "database-maintenance")

    senders.house.later(minutes=1)
    assert senders.alerts(body("alertmanager_resolved")).json()["incidents"] == ["INC-1"]
    assert senders.house.get(1).status is Status.MITIGATED


def test_the_same_alert_pushed_and_polled_is_one_incident(senders: Senders) -> None:
    """Whoever has Prometheus polled and Alertmanager pushing is paged once."""
    senders.alerts(body("alertmanager_firing"))
    senders.grafana({"alerts": body("alertmanager_firing")["alerts"]})
    assert senders.open() == [1]
    assert len({s.fingerprint for s in senders.sightings()}) == 1


def test_a_group_is_taken_as_one(senders: Senders) -> None:
    """Grafana tells of one that fires and one that ended; the ended one opens nothing."""
    assert senders.grafana(body("grafana")).json() == {"taken": 2, "incidents": ["INC-1"]}
    assert senders.open() == [1]
    assert senders.alerts({"version": "4", "alerts": []}).json() == {"taken": 0, "incidents": []}


def test_a_report_is_an_incident_of_its_own(senders: Senders) -> None:
    """Two tickets about two things are two; the same ticket sent again is counted."""
    report = {"title": "Invoices are missing", "severity": "high", "service": "billing"}
    report |= {"reporter": "desk", "description": "since noon"}
    assert senders.plain(**report, key="T-1").status_code == 200
    senders.plain(**report, key="T-2")
    senders.plain(**report, key="T-1")
    assert senders.open() == [1, 2]
    incident = senders.house.get(1)
    assert (incident.title, incident.severity, incident.service) == (
        "Invoices are missing", Severity.P2, "billing",
    )  # fmt: skip
    assert senders.sightings(1)[0].details == {"description": "since noon", "reported_by": "desk"}


def test_a_report_is_ended_by_its_key_alone(senders: Senders) -> None:
    """Whatever severity it was given meanwhile; another sender's key of the same name is another thing."""
    senders.plain(title="Slow", severity="low", key="T-1")
    senders.plain(title="Slow", severity="high", key="T-1")
    other = senders.house.services.integrations.add("other", SIGNAL, {}, "test", senders.house.now)[1]
    senders.house.later(seconds=30)
    senders.send(SIGNAL, {"key": "T-1", "status": "resolved"}, authorization=f"Bearer {other}")
    assert senders.house.get(1).status is Status.TRIGGERED
    assert senders.plain(key="T-1", status="resolved").json()["taken"] == 2
    assert senders.house.get(1).status is Status.MITIGATED
    assert senders.plain(key="T-9", status="resolved").json() == {"taken": 0, "incidents": []}


def test_without_a_key_the_words_are_the_identity(senders: Senders) -> None:
    """A sender that tries again after a timeout does not page twice, and the same words end it."""
    for _ in range(2):
        senders.plain(title="Slow", service="billing")
    assert senders.open() == [1]
    senders.house.later(minutes=1)
    senders.plain(title="Slow", service="billing", status="resolved")
    assert senders.house.get(1).status is Status.MITIGATED


def test_a_script_may_name_its_alert(senders: Senders) -> None:
    """Then the rules for that alert apply."""
    senders.plain(title="Disk full", labels={"alertname": "DiskSpaceLow", "instance": "a"}, service="db-1")
    assert senders.house.get(1).rule == "disk almost full"


def test_pagerduty_triggers_acknowledges_and_resolves(senders: Senders) -> None:
    """With the answers its clients know."""
    answer = senders.send(PAGERDUTY, body("pagerduty_trigger"))
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "billing/disk"}
    assert senders.house.get(1).rule == "disk almost full"

    assert senders.event("acknowledge", "billing/disk").status_code == 202
    incident = senders.house.get(1)
    assert (incident.status, incident.acknowledged_by) == (Status.ACKNOWLEDGED, "pagerduty:a-pagerduty")
    senders.event("acknowledge", "billing/disk")
    assert senders.house.texts(1).count("Acknowledged by pagerduty:a-pagerduty") == 1

    senders.house.later(minutes=1)
    assert senders.event("resolve", "billing/disk").status_code == 202
    assert senders.house.get(1).status is Status.MITIGATED
    assert senders.event("acknowledge", "billing/disk").status_code == 202
    assert senders.house.get(1).status is Status.MITIGATED


def test_pagerduty_makes_a_key_where_none_is_sent(senders: Senders) -> None:
    """And answers it, so that the sender can end what it began; each key is an incident of its own."""
    payload = {"summary": "Backup failed", "source": "billing-1", "severity": "critical"}
    one, two = (senders.event("trigger", payload=payload).json()["dedup_key"] for _ in range(2))
    assert one != two
    assert senders.open() == [1, 2]
    assert senders.house.get(1).severity is Severity.P1
    senders.house.later(minutes=1)
    senders.event("resolve", two)
    assert [senders.house.get(n).status for n in (1, 2)] == [Status.TRIGGERED, Status.MITIGATED]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_an_event_for_nothing_open_changes_nothing(senders: Senders, action: str) -> None:
    """It is 202 all the same, as its senders expect."""
    answer = senders.event(action, "unknown")
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "unknown")
    assert senders.open() == []


def test_alertmanagers_pagerduty_receiver_works(senders: Senders) -> None:
    """A real trigger and a real resolve."""
    senders.send(PAGERDUTY, body("pagerduty_trigger_of_alertmanager"))
    assert senders.house.get(1).rule == "database down"
    senders.house.later(minutes=1)
    senders.send(PAGERDUTY, body("pagerduty_resolve_of_alertmanager"))
    assert senders.house.get(1).status is Status.MITIGATED


def test_labels_of_the_integration_are_added(house: House) -> None:
    """Where a signal lacks them."""
    _, token = house.services.integrations.add("north", ALERTMANAGER, {"site": "north"}, "test", house.now)
    headers = {"authorization": f"Bearer {token}"}
    house.client(None).post(PATHS[ALERTMANAGER], json=body("alertmanager_firing"), headers=headers)
    assert house.get(1).labels["site"] == "north"


# ------------------------------------------------------------------------------------------- who may send


def test_basic_authentication_carries_the_token_as_its_password(senders: Senders) -> None:
    """Whatever the user's name is."""
    pair = base64.b64encode(f"anything:{senders.tokens[ALERTMANAGER]}".encode()).decode()
    content = body("alertmanager_firing")
    assert senders.send(ALERTMANAGER, content, authorization=f"Basic {pair}").status_code == 200


@pytest.mark.parametrize("kind", list(IntegrationKind))
def test_no_wrong_and_revoked_tokens_are_told_the_same(senders: Senders, kind: IntegrationKind) -> None:
    """401 with the same words, and nothing is taken."""
    token = senders.tokens[kind]
    revoked = senders.house.services.integrations.add("revoked", kind, {}, "test", senders.house.now)[1]
    senders.house.services.integrations.revoke("revoked", senders.house.now)
    client, answers = senders.house.client(None), []
    for wrong in (
        "",
        "x",
        token[:-1] + "!",
        token.replace("ir_", "ir_a"),
        revoked,
        f"ir_{'0' * 12}_{'x' * 43}",
    ):
        content = {**CONTENT[kind], "routing_key": wrong} if kind is PAGERDUTY else CONTENT[kind]
        headers = {} if kind is PAGERDUTY else {"authorization": f"Bearer {wrong}"}
        answers.append(client.post(PATHS[kind], json=content, headers=headers))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert senders.open() == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Basic",
        "Basic !!!",
        "Basic 4pyT",
        "Digest {}",
        "Token {}",
        "{}",
        "Basic {}",
        "Bearer {} x",
    ],
)
def test_other_headers_open_nothing(senders: Senders, header: str) -> None:
    """Nor does the token itself in the wrong place."""
    header = header.format(senders.tokens[ALERTMANAGER])
    assert senders.send(ALERTMANAGER, body("alertmanager_firing"), authorization=header).status_code == 401


def test_a_token_in_the_address_opens_nothing(senders: Senders) -> None:
    """Every proxy on the way writes it into its log."""
    token, client = senders.tokens[ALERTMANAGER], senders.house.client(None)
    for name in ("token", "access_token", "key", "routing_key"):
        answer = client.post(f"{PATHS[ALERTMANAGER]}?{name}={token}", json=body("alertmanager_firing"))
        assert answer.status_code == 401


def test_the_login_of_airflow_opens_no_hook(senders: Senders) -> None:
    """A person's cookie must not be usable from a page elsewhere."""
    client = senders.house.client(OPERATOR)
    for kind, path in PATHS.items():
        assert client.post(path, json=CONTENT[kind]).status_code == 401


def test_a_token_of_another_kind_is_told_so(senders: Senders) -> None:
    """403 with both kinds, and nothing is taken."""
    for kind in (ALERTMANAGER, GRAFANA, SIGNAL):
        for other in set(IntegrationKind) - {kind}:
            answer = senders.send(kind, CONTENT[kind], authorization=f"Bearer {senders.tokens[other]}")
            assert answer.status_code == 403
            assert kind.value in answer.json()["detail"]
            assert other.value in answer.json()["detail"]
    content = CONTENT[PAGERDUTY] | {"routing_key": senders.tokens[SIGNAL]}
    assert senders.house.client(None).post(PATHS[PAGERDUTY], json=content).status_code == 403
    assert senders.open() == []


def test_a_revoked_token_stops(senders: Senders) -> None:
    """At the latest after five seconds."""
    senders.house.services.integrations.revoke("a-alertmanager", senders.house.now)
    senders.house.later(seconds=5)
    assert senders.alerts(body("alertmanager_firing")).status_code == 401


# -------------------------------------------------------------------------------------------- protection


@pytest.mark.parametrize("kind", list(IntegrationKind))
def test_a_body_of_more_than_a_mebibyte_is_refused(senders: Senders, kind: IntegrationKind) -> None:
    """Whether its length is told or not."""
    content = json.dumps(CONTENT[kind] | {"x": "x" * bodies.LIMIT}).encode()
    assert senders.send(kind, content).status_code == 413
    assert senders.open() == []


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
    assert len(read) == (0 if length.startswith("99") else 17)
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

    async def stuck(request: Any) -> bytes:
        await anyio.sleep(60)
        return b""

    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    monkeypatch.setattr(bodies, "_received", stuck)
    assert senders.alerts(body("alertmanager_firing")).status_code == 408


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


def test_a_request_with_one_wrong_alert_takes_none(senders: Senders) -> None:
    """All or nothing: the sender is told, and sends the rest again."""
    good = body("alertmanager_firing")["alerts"][0]
    answer = senders.alerts({"version": "4", "alerts": [good, {**good, "status": "odd"}]})
    assert answer.status_code == 422
    assert senders.open() == []


def test_a_sender_that_has_gone_mad_is_slowed_down(senders: Senders) -> None:
    """200 at once, 50 a second; others are not touched; it is told when to come again."""
    content = {"version": "4", "alerts": []}
    codes = [senders.alerts(content).status_code for _ in range(201)]
    assert codes == [200] * 200 + [429]
    answer = senders.alerts(content)
    assert answer.headers["retry-after"] == "1"
    assert senders.grafana(content).status_code == 200
    senders.house.later(seconds=1)
    assert [senders.alerts(content).status_code for _ in range(51)] == [200] * 50 + [429]


def test_pagerdutys_clients_know_the_throttle(senders: Senders) -> None:
    """In its own words."""
    for _ in range(200):
        senders.event("resolve", "x")
    answer = senders.event("resolve", "x")
    assert (answer.status_code, answer.json()["status"]) == (429, "throttle exceeded")
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
    assert "test_hooks.py" in logged
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
