"""The detectors page: who watches, whether they see, and who may send."""

from __future__ import annotations

import re
from datetime import timedelta

from incident_response.domain.records import NOT_CONFIGURED, IntegrationKind
from tests.web.conftest import VIEWER, House

EVIL = "<script>alert('x')</script>"
MISSING = f"{NOT_CONFIGURED}docker: the Airflow connection 'docker_host' is not defined; define it"


def looked(house: House, **errors: str) -> None:
    """Each detector looks once; "" means that it went well."""
    with house.services.store.transaction() as tx:
        tx.ensure_polls(dict.fromkeys(errors, timedelta(seconds=30)), house.now)
        for name, error in errors.items():
            tx.claim_polls(house.now, "clock@triggerer:7", timedelta(minutes=1), [name])
            tx.finish_poll(name, house.now, {}, error)


def rows(house: House) -> dict[str, str]:
    """By detector, in the order of the page."""
    text = house.client().get("detectors").text
    return dict(re.findall(r'<li id="detector-([^"]+)">(.*?)</li>', text, re.S))


def test_each_detector_says_when_it_looked_and_when_it_will(house: House) -> None:
    """Name, last good look, by whom, next, rhythm."""
    looked(house, prometheus="")
    house.later(seconds=12)
    row = rows(house)["prometheus"]
    for told in ("fine", "12 s", "clock@triggerer:7", "0:18", "every 30 s"):
        assert told in row


def test_what_fails_stands_first_and_what_waits_for_a_connection_next(house: House) -> None:
    """Failures in a row are counted; waiting for a connection is no failure."""
    looked(house, alertmanager="", docker=MISSING, loki="does not answer")
    house.later(seconds=31)
    looked(house, alertmanager="", docker=MISSING, loki="does not answer")
    found = rows(house)

    assert list(found) == ["loki", "docker", "alertmanager"]
    assert "fails, 2 times in a row" in found["loki"]
    assert "does not answer" in found["loki"]
    assert "waits for connection docker_host" in found["docker"]
    assert 'class="late"' not in found["docker"]


def test_what_else_is_missing_is_said(house: House) -> None:
    """Not every set-up lacks a connection."""
    looked(house, web=f"{NOT_CONFIGURED}web: the certificate authority cannot be read")
    assert "waits to be set up" in rows(house)["web"]
    assert "certificate authority cannot be read" in rows(house)["web"]


def test_one_that_looks_now_or_never_looked_says_so(house: House) -> None:
    """Nothing is called fine that has not been seen to be."""
    with house.services.store.transaction() as tx:
        tx.ensure_polls({"a": timedelta(minutes=1), "b": timedelta(minutes=1)}, house.now)
        tx.claim_polls(house.now, "clock@x:1", timedelta(minutes=1), ["a"])
    found = rows(house)
    assert "looks now" in found["a"]
    assert "has not looked yet" in found["b"]


def test_the_board_speaks_of_those_that_answer_or_fail_alone(house: House) -> None:
    """What waits for a connection is nobody's trouble at night."""
    house.beat()
    looked(house, alertmanager="", docker=MISSING, prometheus="")
    text = house.client().get("").text
    assert "The clock is ticking, 2 detectors fine." in " ".join(text.split())
    assert "docker" not in text

    looked(house, loki="does not answer", prometheus="", docker=MISSING)
    text = " ".join(house.client().get("").text.split())
    assert "1 of 2 detectors fails" in text
    assert 'href="detectors#detector-loki"' in text


def test_webhooks_are_listed_without_anything_of_their_token(house: House) -> None:
    """Name, kind, when it was used last, and whether it still opens."""
    integrations = house.services.integrations
    made, token = integrations.add("grafana", IntegrationKind.GRAFANA, {}, "admin", house.now)
    integrations.recognise(token, house.now)
    integrations.add("old", IntegrationKind.PAGERDUTY, {}, "admin", house.now)
    integrations.revoke("old", house.now)
    house.later(minutes=5)
    text = house.client().get("detectors").text

    assert re.search(r"<td>grafana<td>grafana<td>.*?5 min", text)
    assert re.search(r"<td>old<td>pagerduty<td>never<td>.*? by admin<td>revoked", text)
    for secret in (token, token.split("_", 2)[2], made.token_hash, made.id):
        assert secret not in text


def test_an_empty_page_says_what_to_do(house: House) -> None:
    """Before the first tick, and without any webhook."""
    text = house.client(VIEWER).get("detectors").text
    assert "None has looked yet" in text
    assert "integrations add" in text


def test_hostile_errors_and_names_are_escaped(house: House) -> None:
    """Errors quote what systems outside have answered."""
    looked(house, **{EVIL: EVIL})
    house.services.integrations.add("x", IntegrationKind.SIGNAL, {}, EVIL, house.now)
    for page in ("", "detectors"):
        text = house.client().get(page).text
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
