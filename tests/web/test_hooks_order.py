"""Webhooks: the order of arrival decides what a sender says; its clock decides nothing.

Alertmanager tells of a second firing with the `startsAt` of the first one, others cut the seconds, and some
clocks are a year off. What is sent again in between is the same thing: a false page is better than an outage
that nobody hears of.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.severities import Severity
from tests.web.conftest import House
from tests.web.hooking import PAGERDUTY, Senders, body

MORNING = datetime(2026, 3, 4, 9, 0, tzinfo=timezone.utc)


@pytest.fixture
def senders(house: House) -> Senders:
    house.now = MORNING
    return Senders(house)


def tick(senders: Senders, **span: float) -> None:
    """Time passes, and the clock does what is due."""
    senders.house.later(**span)
    while not senders.house.services.clock.tick(senders.house.now, "clock@test").idle:
        pass


def pages(senders: Senders) -> list[str]:
    """The pages of all incidents, in order."""
    with senders.house.services.store.read() as tx:
        found = [p for n in range(1, 9) for p in tx.parcels(n)]
    return [p.outgoing.data["reason"] for p in found if p.outgoing.kind.value == "page"]


def alert(firing: bool, start: str, end: str = "0001-01-01T00:00:00Z", **labels: str) -> dict[str, Any]:
    """One alert in the form of Alertmanager and Grafana."""
    named = {"alertname": "SiteDown", "service": "shop-front", "severity": "critical"} | labels
    status = "firing" if firing else "resolved"
    return {"status": status, "labels": named, "startsAt": start, "endsAt": end}


def alertmanager(senders: Senders, *alerts: dict[str, Any]) -> None:
    assert senders.alerts({"version": "4", "alerts": list(alerts)}).status_code == 200


def grafana(senders: Senders, *alerts: dict[str, Any]) -> None:
    assert senders.grafana({"alerts": list(alerts)}).status_code == 200


def plain(senders: Senders, at: str, *, firing: bool = True) -> None:
    content = {"title": "The shop is down", "severity": "P1", "service": "shop-front", "key": "S-1"}
    status = "firing" if firing else "resolved"
    assert senders.plain(**content, status=status, occurred_at=at).status_code == 200


def test_alertmanagers_second_firing_with_the_first_ones_start_fires(senders: Senders) -> None:
    """As Alertmanager 0.28 sends it when an alert is back before the group's next flush."""
    tick(senders, seconds=10)
    senders.alerts(body("refire-1-firing.alertmanager"))
    tick(senders, minutes=4)
    senders.alerts(body("refire-2-resolved.alertmanager"))
    assert senders.house.get(1).status is Status.MITIGATED
    tick(senders, minutes=1)
    senders.alerts(body("refire-3-firing.alertmanager"))
    tick(senders, minutes=30)
    assert senders.house.get(1).status is Status.TRIGGERED
    assert pages(senders)[:2] == ["new incident", "trouble is back"]
    with senders.house.services.store.read() as tx:
        assert not [p for p in tx.parcels(1) if p.outgoing.template == "resolution"]


def test_pagerdutys_second_trigger_in_the_minute_of_the_first_fires(senders: Senders) -> None:
    """The sender cuts the seconds."""
    for second, name in ((20, "minute-1-trigger"), (5, "minute-2-resolve"), (20, "minute-3-trigger")):
        tick(senders, seconds=second)
        assert senders.send(PAGERDUTY, body(f"{name}.pagerduty")).status_code == 202
    tick(senders, minutes=20)
    assert senders.house.get(1).status is Status.TRIGGERED
    assert senders.sightings()[0].firing


Tell = Callable[[Senders, bool], None]
_TELLS: dict[str, Tell] = {
    "to the minute": lambda s, f: alertmanager(s, alert(f, "2026-03-04T09:00:00Z", "2026-03-04T09:00:00Z")),
    "a year ahead": lambda s, f: alertmanager(s, alert(f, "2027-03-04T09:00:00Z", "2027-03-04T09:04:00Z")),
    "a year behind": lambda s, f: grafana(s, alert(f, "2025-03-04T09:00:00Z", "2025-03-04T09:04:00Z")),
    "no time at all": lambda s, f: grafana(s, alert(f, "", "")),
    "an early end": lambda s, f: grafana(s, alert(f, "2026-03-04T09:05:00Z", "2026-03-04T08:00:00Z")),
    "the day": lambda s, f: plain(s, "2026-03-04T00:00:00Z", firing=f),
    "a clock that was set back": lambda s, f: alertmanager(
        s, alert(f, f"2026-03-04T08:{59 - s.house.now.minute:02}:00Z", "2026-03-04T12:00:00Z")
    ),
}  # fmt: skip


@pytest.mark.parametrize("told", _TELLS)
@pytest.mark.parametrize("settled", [2, 20], ids=["mitigated", "resolved"])
def test_whatever_a_clock_says_the_last_word_counts(senders: Senders, told: str, settled: int) -> None:
    """Firing, resolved, firing: the trouble is back, within the hold-down and after it; and it can end."""
    tell = _TELLS[told]
    tick(senders, seconds=30)
    tell(senders, True)
    tick(senders, minutes=3)
    tell(senders, False)
    tick(senders, minutes=settled)
    assert not senders.house.get(1).status.needs_person
    tell(senders, True)
    tell(senders, True)  # a repeat counts, and opens nothing
    tick(senders, minutes=10)
    assert (senders.house.get(1).status, senders.open()) == (Status.TRIGGERED, [1])
    assert pages(senders).count("trouble is back") == 1
    tell(senders, False)
    tick(senders, minutes=10)
    assert senders.house.get(1).status is Status.RESOLVED


def test_two_senders_of_one_thing_are_one_story(senders: Senders) -> None:
    """Whoever spoke last; Grafana's clock is behind Alertmanager's."""
    alertmanager(senders, alert(True, "2026-03-04T09:00:00Z"))
    grafana(senders, alert(True, "2025-03-04T09:00:00Z"))
    tick(senders, minutes=4)
    alertmanager(senders, alert(False, "2026-03-04T09:00:00Z", "2026-03-04T09:03:50Z"))
    assert senders.house.get(1).status is Status.MITIGATED
    tick(senders, minutes=1)
    grafana(senders, alert(True, "2025-03-04T09:00:00Z"))
    assert senders.house.get(1).status is Status.TRIGGERED


def test_a_body_that_holds_a_whole_story_is_told_in_its_order(senders: Senders) -> None:
    """As a queue sends that was held up."""
    start = "2026-03-04T09:00:00Z"
    story = [alert(firing, start, start) for firing in (True, False, True)]
    alertmanager(senders, *story[:2])
    assert senders.house.get(1).status is Status.MITIGATED
    alertmanager(senders, *story)
    tick(senders, minutes=10)
    assert senders.house.get(1).status is Status.TRIGGERED


def test_an_end_that_overtakes_its_own_beginning_ends_it(senders: Senders) -> None:
    """Both requests were under way at once: nothing was known, and the start is the same. Once only."""
    end = alert(False, "2026-03-04T09:00:00Z", "2026-03-04T09:00:20Z")
    alertmanager(senders, end)
    alertmanager(senders, alert(True, "2026-03-04T09:00:00Z"))
    assert senders.house.get(1).status is Status.MITIGATED
    alertmanager(senders, alert(True, "2026-03-04T09:00:00Z"))
    assert senders.house.get(1).status is Status.TRIGGERED
    # Another thing, of which an older firing's end is told: that is not the end of this one.
    alertmanager(senders, alert(False, "2026-03-04T08:00:00Z", "2026-03-04T09:00:20Z", instance="b"))
    alertmanager(senders, alert(True, "2026-03-04T09:00:00Z", instance="b"))
    assert senders.house.get(2).status is Status.TRIGGERED


# --- muted


def silence(senders: Senders, *matchers: str) -> None:
    """From 09:00 to 10:00."""
    muting = senders.house.services.intake.muting
    muting.add(matchers, "an upgrade", "operator", timedelta(hours=1), senders.house.now)


def test_what_ends_by_its_key_inside_a_silence_pages_nobody_at_its_end(senders: Senders) -> None:
    """PagerDuty's resolve names a key and no labels: the key is looked for in what is muted, too."""
    silence(senders, "dedup_key=db-7.*")
    for minutes, name in ((5, "muted-1-trigger"), (10, "muted-2-resolve")):
        tick(senders, minutes=minutes)
        assert senders.send(PAGERDUTY, body(f"{name}.pagerduty")).status_code == 202
    tick(senders, hours=2)
    assert (senders.open(), pages(senders)) == ([], [])


@pytest.mark.parametrize("again", [False, True], ids=["ended", "fires again"])
@pytest.mark.parametrize("told", _TELLS)
def test_a_silence_lets_go_of_what_fires_at_its_end_alone(senders: Senders, told: str, again: bool) -> None:
    """Firing, resolved, and its repeat, inside of it; and perhaps firing again, with the same start."""
    silence(senders, "service=shop-front")
    tell = _TELLS[told]
    for firing in (True, False, False, *([True] if again else [])):
        tick(senders, minutes=5)
        tell(senders, firing)
    assert senders.open() == []
    tick(senders, minutes=50)
    assert senders.open() == ([1] if again else [])
    assert (pages(senders) != []) is again


def test_a_muted_second_firing_of_what_was_resolved_ends_inside_the_silence(senders: Senders) -> None:
    """Its incident is over, so nothing is counted into it; the end must still reach what is muted."""
    start = "2026-03-04T09:00:00Z"
    alertmanager(senders, alert(True, start))
    alertmanager(senders, alert(False, start, start))
    tick(senders, minutes=6)
    assert senders.house.get(1).status is Status.RESOLVED
    before = pages(senders)
    silence(senders, "service=shop-front")
    for firing in (True, False):
        tick(senders, minutes=5)
        alertmanager(senders, alert(firing, start, start))
    tick(senders, hours=2)
    assert senders.house.get(1).status is Status.RESOLVED
    assert pages(senders) == before


def test_another_senders_word_ends_what_is_muted(senders: Senders) -> None:
    """Two tell of the same thing, one of them of its end."""
    silence(senders, "service=shop-front")
    alertmanager(senders, alert(True, "2026-03-04T09:00:00Z"))
    grafana(senders, alert(True, "2025-03-04T09:00:00Z"))
    tick(senders, minutes=5)
    grafana(senders, alert(False, "2025-03-04T09:00:00Z", "2025-03-04T09:04:00Z"))
    tick(senders, hours=2)
    assert senders.open() == []


# --- consequences


@pytest.mark.parametrize("words", [(True,), (True, False), (True, False, True)], ids=len)
def test_a_consequence_is_as_it_was_told_last_when_its_cause_is_gone(senders: Senders, words: Any) -> None:
    """keycloak depends on the database; its alerts all have one start."""
    start = "2026-03-04T09:00:00Z"
    cause = {"alertname": "DatabaseConnectionFailure", "service": "lianel_energy"}
    alertmanager(senders, alert(True, start, **cause))
    effect = {"alertname": "ContainerUnhealthy", "service": "keycloak", "severity": "warning"}
    for firing in words:
        tick(senders, minutes=1)
        alertmanager(senders, alert(firing, start, start, **effect))
    assert senders.open() == [1]
    tick(senders, minutes=1)
    alertmanager(senders, alert(False, start, start, **cause))
    tick(senders, minutes=10)
    assert [senders.house.get(n).service for n in senders.open()] == (["keycloak"] if words[-1] else [])


def test_a_consequence_that_ends_just_after_its_cause_opens_nothing(senders: Senders) -> None:
    """Its end is told when the incident is resolved, and the clock has not yet looked at what is left."""
    start = "2026-03-04T09:00:00Z"
    alertmanager(senders, alert(True, start, alertname="DatabaseConnectionFailure", service="lianel_energy"))
    effect = {"alertname": "ContainerUnhealthy", "service": "keycloak", "severity": "warning"}
    alertmanager(senders, alert(True, start, **effect))
    senders.house.services.lifecycle.resolve(1, "operator", senders.house.now)
    alertmanager(senders, alert(False, start, start, **effect))
    tick(senders, minutes=10)
    assert senders.open() == []


# --- worse


def test_the_same_alert_told_worse_pages_after_an_acknowledgement(senders: Senders) -> None:
    """And the title is that of the worse one; told again, or better, it pages nobody."""
    start = "2026-03-04T09:00:00Z"

    def tell(severity: str, words: str) -> None:
        one = alert(True, start, severity=severity)
        alertmanager(senders, {**one, "annotations": {"summary": words}})

    tell("warning", "The shop is slow")
    tick(senders, minutes=11)
    senders.house.services.lifecycle.acknowledge(1, "ann", senders.house.now)
    tick(senders, minutes=1)
    tell("P1", "The shop is down")
    tick(senders, seconds=1)
    incident = senders.house.get(1)
    assert (incident.severity, incident.title) == (Severity.P1, "The shop is down")
    assert pages(senders) == ["new incident", "severity raised to P1"]
    assert incident.resolve_by == MORNING + timedelta(hours=4)
    tell("warning", "The shop is slow")
    tell("P1", "The shop is down")
    tick(senders, minutes=1)
    assert len(pages(senders)) == 2


def test_worse_before_the_first_page_is_one_page(senders: Senders) -> None:
    """At the time of the worse one: nothing was told before it."""
    start = "2026-03-04T09:00:00Z"
    alertmanager(senders, alert(True, start, severity="warning", alertname="PodSlow", service="x"))
    alertmanager(senders, alert(True, start, severity="P1", alertname="PodSlow", service="x"))
    tick(senders, seconds=1)
    assert senders.house.get(1).severity is Severity.P1
    assert pages(senders) == ["new incident"]
