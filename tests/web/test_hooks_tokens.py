"""Webhooks: who may send."""

from __future__ import annotations

import base64

import pytest

from incident_response.domain.records import IntegrationKind
from tests.web.conftest import OPERATOR, House
from tests.web.hooking import ALERTMANAGER, CONTENT, GRAFANA, PAGERDUTY, PATHS, SIGNAL, Senders, body


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


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
