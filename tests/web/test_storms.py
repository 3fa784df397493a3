"""A storm is a storm whatever its signals are about: one umbrella, few pages, and nothing worse is hidden by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from incident_response.domain.changes import OutgoingKind
from incident_response.domain.incidents import Incident
from incident_response.domain.records import OutgoingState, Parcel
from incident_response.domain.severities import Severity
from incident_response.service.clock import Clock
from incident_response.service.detection import Detection
from tests.web.conftest import House
from tests.web.hooking import Senders

_MANY = 100


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


def alert(number: int, about: dict[str, str], severity: str = "warning") -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": f"Alert{number:04}", "severity": severity, **about},
        "annotations": {"summary": f"alert {number}"},
        "startsAt": "2026-01-15T02:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }


def batches(alerts: list[Any], size: int) -> Iterator[Any]:
    waiting = iter(alerts)
    while batch := list(islice(waiting, size)):
        yield {"version": "4", "alerts": batch}


def storm(about: str, first: int = 0) -> list[Any]:
    labels = {
        "services": lambda n: {"service": f"service-{n}"},
        "one service": lambda n: {"service": "shop"},
        "one host": lambda n: {"instance": "db-7:9100"},
        "none": lambda n: {},
    }[about]
    return [alert(n, labels(n)) for n in range(first, first + _MANY)]


def clock(house: House) -> Clock:
    s = house.services
    blind = Detection(s.store, dict, s.intake, lambda: house.now)
    return Clock(s.store, s.policies, s.delivery, blind, s.intake, s.spool)


def wind(house: House, seconds: int, step: int = 5) -> None:
    ticking = clock(house)
    for _ in range(0, seconds, step):
        while not ticking.tick(house.now, "clock").idle:
            pass
        house.later(seconds=step)


def incidents(house: House) -> tuple[list[Incident], list[Incident]]:
    """The open ones, and the others."""
    with house.services.store.read() as tx:
        return [r.incident for r in tx.board(5000)], list(tx.recent(house.now - timedelta(hours=1), 5000))


def pages(house: House) -> list[Parcel]:
    """The pages of people that went out."""
    sent = (OutgoingState.DELIVERED, OutgoingState.SENDING, OutgoingState.PENDING)
    found = []
    for group in incidents(house):
        for incident in group:
            with house.services.store.read() as tx:
                found += [p for p in tx.parcels(incident.number) if p.state in sent]
    return [p for p in found if p.outgoing.kind is OutgoingKind.PAGE]


def at_most_one_a_minute(found: list[Parcel]) -> None:
    by_person: dict[tuple[str, str], list[Any]] = {}
    for p in found:
        by_person.setdefault((p.outgoing.channel, p.outgoing.receiver), []).append(p.created_at)
    for times in by_person.values():
        times.sort()
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        assert all(gap >= timedelta(minutes=1) for gap in gaps), times


@pytest.mark.parametrize("size", [1000, 1])
@pytest.mark.parametrize("about", ["services", "one service", "one host", "none"])
def test_many_different_alerts_are_one_incident_and_few_pages(
    senders: Senders, about: str, size: int
) -> None:
    """In one body or in many, while the clock ticks."""
    house = senders.house
    for number, body in enumerate(batches(storm(about), size)):
        assert senders.alerts(body).status_code == 200
        if number % 10 == 0:
            wind(house, 1, 1)
    wind(house, 180)

    (umbrella,), members = incidents(house)
    assert umbrella.service == "several"
    assert umbrella.title == f"Storm: {_MANY} alerts at once"
    assert len(members) == _MANY
    assert {member.merged_into for member in members} == {umbrella.number}
    found = pages(house)
    at_most_one_a_minute(found)
    assert len(found) <= 2
    assert umbrella.number in {p.outgoing.incident for p in found}

    shown = house.client().get(str(umbrella.number)).text
    assert all(f"INC-{member.number}<" in shown for member in members)
    assert f"INC-{umbrella.number}" in house.client().get(str(members[0].number)).text


@pytest.mark.parametrize("size", [1000, 1])
@pytest.mark.parametrize("place", [0, _MANY // 2, _MANY])
def test_a_p1_among_many_is_paged_at_once(senders: Senders, place: int, size: int) -> None:
    """First, in the middle, last: an incident of its own, under no umbrella, at its own moment."""
    house = senders.house
    alerts = storm("none")
    alerts.insert(place, alert(9999, {}, severity="P1"))
    for body in batches(alerts, size):
        senders.alerts(body)
        if size == 1:
            wind(house, 1, 1)
    wind(house, 180)
    still, _ = incidents(house)
    (worst,) = [incident for incident in still if incident.severity is Severity.P1]
    assert (len(still), worst.merged_into) == (2, None)
    first = min(p.created_at for p in pages(house) if p.outgoing.incident == worst.number)
    assert first - worst.opened_at <= timedelta(seconds=5)
    at_most_one_a_minute([p for p in pages(house) if p.outgoing.incident != worst.number])


def test_what_becomes_worse_under_the_umbrella_raises_it(senders: Senders) -> None:
    """One of the many is told again as P1: nobody has to look for it among the others."""
    house = senders.house
    for body in batches(storm("none"), 1000):
        senders.alerts(body)
    wind(house, 90)
    senders.alerts({"version": "4", "alerts": [alert(7, {}, severity="P1")]})
    (umbrella,), _ = incidents(house)
    assert umbrella.severity is Severity.P1


def test_a_storm_that_goes_on_is_told_again_but_never_one_by_one(senders: Senders) -> None:
    """Its umbrella takes in what comes within minutes; what comes later has one of its own."""
    house = senders.house
    for first in (0, 1000):
        for body in batches(storm("none", first), 1000):
            senders.alerts(body)
        wind(house, 400)
    still, members = incidents(house)
    assert [incident.service for incident in still] == ["several"] * 2
    assert len(members) == 2 * _MANY
    at_most_one_a_minute(pages(house))


def test_two_alerts_are_two_incidents_and_the_first_is_paged_at_once(senders: Senders) -> None:
    """No storm: the second one waits half a minute to see whether it is one."""
    house = senders.house
    senders.alerts({"version": "4", "alerts": [alert(1, {}), alert(2, {})]})
    wind(house, 60)
    still, _ = incidents(house)
    assert len(still) == 2
    times = sorted(p.created_at - p_.opened_at for p in pages(house) for p_ in still[:1])
    assert times[0] <= timedelta(seconds=1)
    assert times[-1] <= timedelta(seconds=35)
