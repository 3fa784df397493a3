"""Silences and maintenance windows: nobody is told, and nothing is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from incident_response.domain.errors import BadInput
from incident_response.domain.incidents import Status
from incident_response.domain.signals import Signal
from incident_response.domain.silences import MaintenanceWindow
from incident_response.service.intake import Intake, Taken
from tests.support.house import START, House, down, failed

from .test_one_cause import opened, refused, take, unhealthy


@pytest.fixture
def house() -> House:
    return House()


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def mute(house: House, *matchers: str, length: timedelta = hours(1)) -> str:
    named = matchers or ("service=lianel_energy",)
    return house.intake.muting.add(named, "an upgrade", "operator", length, house.now).id


def held(house: House) -> list[str]:
    return [one.by for one in house.intake.muting.held()]


def planned(house: House, cron: str, length: timedelta, **match: str) -> None:
    """Put a maintenance window in force."""
    window = MaintenanceWindow("an upgrade", match, cron, length, "UTC")

    def windows() -> Sequence[MaintenanceWindow]:
        return (window,)

    house.intake.muting._windows = windows


def test_a_silenced_signal_opens_nothing_and_is_held(house: House) -> None:
    """With the name of what mutes it; nobody is told."""
    mute(house)
    assert take(house, refused(house)) == [Taken.HELD]
    house.later(minutes=10)
    assert opened(house) == {}
    assert house.post.sent == []
    assert [by.split(": ")[1] for by in held(house)] == ["an upgrade"]


def test_what_still_fires_at_the_end_of_a_silence_is_taken_in(house: House) -> None:
    """Without another signal."""
    mute(house)
    take(house, refused(house))
    house.later(minutes=59)
    assert opened(house) == {}
    house.later(minutes=1)
    assert list(opened(house).values()) == ["lianel_energy"]
    assert held(house) == []
    house.later(minutes=1)
    assert house.post.sent


def test_what_ended_meanwhile_is_forgotten(house: House) -> None:
    """Also when its end is told hours before the silence ends."""
    mute(house, length=hours(4))
    take(house, refused(house))
    house.later(minutes=5)
    take(house, refused(house, firing=False))
    assert held(house) == []
    house.later(hours=5)
    assert opened(house) == {}


def test_an_end_told_by_another_source_is_remembered_as_long_as_the_silence(house: House) -> None:
    """The poll is held; the webhook tells the end: both speak of the same thing."""
    mute(house, length=hours(4))
    take(house, refused(house))
    house.later(minutes=5)
    take(house, replace(refused(house, firing=False), source="alertmanager"))
    house.later(hours=4)
    house.later(minutes=10)
    assert opened(house) == {}
    assert not any("page" in key for _, _, key in house.post.sent)


def test_beginning_and_end_in_one_call_hold_nothing(house: House) -> None:
    """As a queue sends that was held up."""
    mute(house)
    end = down(firing=False, at=START + timedelta(seconds=5))
    take(house, refused(house), end)
    assert held(house) == []
    house.later(hours=2)
    assert opened(house) == {}


def test_an_event_that_goes_quiet_under_a_silence_is_not_forgotten(house: House) -> None:
    """A failed run that Prometheus no longer tells of is as broken as before."""
    mute(house, "dag_id=entsoe_ingestion")
    run = Signal("prometheus", {"alertname": "AirflowDAGRunFailed", "dag_id": "entsoe_ingestion"}, "x", START)
    take(house, run)
    house.later(minutes=6)
    take(house, replace(run, firing=False, occurred_at=house.now))
    assert len(held(house)) == 1
    house.later(hours=1)
    assert list(opened(house).values()) == ["entsoe_ingestion"]


def test_a_run_that_was_repeated_under_a_silence_is_forgotten(house: House) -> None:
    """It is green: that is a proof."""
    mute(house, "dag_id=entsoe_ingestion")
    run = failed()
    take(house, run)
    house.later(minutes=6)
    take(house, replace(run, firing=False, occurred_at=house.now, details={"proof": "r1 is green"}))
    house.later(hours=2)
    assert opened(house) == {}


def test_a_silence_that_is_ended_by_hand_lets_go_at_once(house: House) -> None:
    """At the next look of the clock."""
    id = mute(house)
    take(house, refused(house))
    house.later(minutes=5)
    house.intake.muting.end(id, house.now)
    house.later(seconds=1)
    assert list(opened(house).values()) == ["lianel_energy"]


def test_a_silence_ended_elsewhere_lets_go_at_once_too(house: House) -> None:
    """The page ends it in one process, the clock looks in another, which has read it a second before."""
    page = Intake(house.store, house.library.rules, house.policies, house.library.grouping)
    id = page.muting.add(["service=lianel_energy"], "x", "operator", hours(1), house.now)
    take(house, refused(house))
    house.now += timedelta(seconds=1)
    page.muting.end(id.id, house.now)
    take(house, refused(house))
    house.later(seconds=1)
    assert list(opened(house).values()) == ["lianel_energy"]


def test_of_two_silences_the_longer_one_counts(house: House) -> None:
    """So a silence is extended: by another one."""
    mute(house, length=hours(1))
    take(house, refused(house))
    house.later(minutes=30)
    mute(house, length=hours(2))
    house.later(minutes=31)
    assert opened(house) == {}
    assert len(held(house)) == 1
    house.later(minutes=89)
    assert list(opened(house).values()) == ["lianel_energy"]


def test_ending_one_of_two_silences_leaves_the_other(house: House) -> None:
    """What was held by the first is held by the second."""
    first = mute(house, length=hours(2))
    take(house, refused(house))
    mute(house, "alertname=Database.*", length=hours(1))
    house.intake.muting.end(first, house.now)
    house.later(seconds=5)
    assert opened(house) == {}
    house.later(hours=1)
    assert list(opened(house).values()) == ["lianel_energy"]


def test_a_silence_does_not_stop_an_open_incident(house: House) -> None:
    """It is counted, and escalated as before."""
    take(house, refused(house))
    mute(house)
    assert take(house, refused(house)) == [Taken.COUNTED]
    house.later(minutes=16)
    assert house.incident(1).level == 2


def test_ends_pass_through_a_silence(house: House) -> None:
    """An open incident mitigates, and resolves."""
    take(house, refused(house))
    mute(house)
    house.now += timedelta(minutes=1)
    assert take(house, refused(house, firing=False)) == [Taken.MITIGATED]
    house.later(minutes=6)
    assert house.incident(1).status is Status.RESOLVED


def test_what_was_resolved_does_not_reopen_under_a_silence(house: House) -> None:
    """A restart under maintenance pages nobody about yesterday's trouble; at its end it does."""
    take(house, refused(house))
    house.lifecycle.resolve(1, "operator", house.now)
    mute(house, length=timedelta(minutes=20))
    sent = len(house.post.sent)
    house.later(minutes=5)
    assert take(house, refused(house)) == [Taken.HELD]
    house.later(minutes=5)
    assert house.incident(1).status is Status.RESOLVED
    assert not any(":page:" in key for _, _, key in house.post.sent[sent:])
    house.later(minutes=11)
    assert house.incident(1).status is Status.TRIGGERED


def test_a_new_thing_of_an_open_incident_counts_under_a_silence(house: House) -> None:
    """It is the same cause."""
    take(house, refused(house))
    mute(house)
    other = replace(refused(house), labels={**refused(house).labels, "instance": "b"})
    assert take(house, other) == [Taken.COUNTED]


def test_only_what_matches_is_muted(house: House) -> None:
    """One of two signals of a call."""
    mute(house, "service=keycloak", "severity=P2")
    reasons = take(house, unhealthy("keycloak", house), unhealthy("lianel-frontend", house))
    assert reasons == [Taken.HELD, Taken.OPENED]


def test_a_silence_of_the_cause_does_not_mute_its_consequences(house: House) -> None:
    """It was said of the database alone."""
    mute(house)
    assert take(house, refused(house), unhealthy("keycloak", house)) == [Taken.HELD, Taken.OPENED]


def test_consequences_released_under_a_silence_are_held(house: House) -> None:
    """And taken in at its end."""
    take(house, refused(house), unhealthy("keycloak", house))
    mute(house, "service=keycloak")
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    assert opened(house) == {}
    house.later(hours=1)
    assert list(opened(house).values()) == ["keycloak"]


def test_what_fires_at_the_end_of_a_maintenance_window_is_taken_in(house: House) -> None:
    """START is two o'clock: the window of two hours a night."""
    planned(house, "0 2 * * *", hours(2), service="lianel_energy")
    house.later(minutes=30)
    assert take(house, refused(house)) == [Taken.HELD]
    assert held(house) == ["maintenance: an upgrade"]
    house.later(minutes=89)
    assert opened(house) == {}
    house.later(minutes=1)
    assert list(opened(house).values()) == ["lianel_energy"]


def test_the_windows_that_are_open_are_told_with_their_end(house: House) -> None:
    """For the page."""
    planned(house, "0 2 * * *", hours(2), service="lianel_energy")
    mute(house)
    silences, windows = house.intake.muting.lasting(house.now)
    assert len(silences) == 1
    assert [until for _, until in windows] == [START + hours(2)]
    assert house.intake.muting.lasting(house.now + hours(2)) == ([], [])


@pytest.mark.parametrize(
    ("matchers", "reason", "length", "words"),
    [
        ([], "x", hours(1), "at least one matcher"),
        (["service"], "x", hours(1), "label=value"),
        (["=keycloak"], "x", hours(1), "label=value"),
        (["service="], "x", hours(1), "label=value"),
        (["service!=keycloak"], "x", hours(1), "names what it mutes"),
        (["service!~keycloak"], "x", hours(1), "label=value"),
        (["service=a", "service=b"], "x", hours(1), r"service=a\|b"),
        (["service=("], "x", hours(1), "no regular expression"),
        (["service=a{99999999999999}"], "x", hours(1), "no regular expression"),
        # what has no such label has an empty one, and what matches that matches nearly everything
        (["service=.*"], "x", hours(1), "matches everything"),
        (["alertname=~.*"], "x", hours(1), "matches everything"),
        (["team=|a"], "x", hours(1), "matches everything"),
        (["team=(a|b)?", "env=.{0,9}"], "x", hours(1), "matches everything"),
        # what can never match
        (['service="keycloak"'], "x", hours(1), "quotes would be a part .* write service=keycloak"),
        (["service='keycloak'"], "x", hours(1), "quotes"),
        (["service==~keycloak"], "x", hours(1), "write service=keycloak"),
        (["service==keycloak"], "x", hours(1), "write service=keycloak"),
        (["service=keycloak, env=prod"], "x", hours(1), "env=… as a matcher of its own"),
        (["service=keycloak,redis"], "x", hours(1), r"write service=keycloak\|redis"),
        (["severity=critical"], "x", hours(1), "P1, P2, P3, P4"),
        (["scenario=outage"], "x", hours(1), "service_outage"),
        # what is outside of the subset
        ([r"service=(a)\1"], "x", hours(1), "referring back"),
        (["service=(a+)+"], "x", hours(1), "repeated itself"),
        (["service=a"], "  ", hours(1), "say why"),
        (["service=a"], "x", hours(0), "between a second"),
        (["service=a"], "x", timedelta(days=91), "90 days"),
    ],
)
def test_what_would_mute_by_mistake_is_refused(house, matchers, reason, length, words) -> None:
    """Each with what to write instead."""
    with pytest.raises(BadInput, match=words):
        house.intake.muting.add(matchers, reason, "operator", length, house.now)
    assert house.intake.muting.lasting(house.now) == ([], [])


@pytest.mark.parametrize("id", ["none", ""])
def test_a_silence_that_is_not_there_cannot_be_ended(house: House, id: str) -> None:
    """Nor one that is over."""
    with pytest.raises(BadInput, match="no silence"):
        house.intake.muting.end(id, house.now)
    over = mute(house, length=timedelta(minutes=1))
    house.later(minutes=2)
    with pytest.raises(BadInput, match="no silence"):
        house.intake.muting.end(over, house.now)
