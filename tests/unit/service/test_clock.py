"""The clock, the outbox and the runbooks, through a day of trouble."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incident_response.domain.errors import IllegalTransition, IncidentNotFound, RunbookNotFound
from incident_response.domain.incidents import Status
from incident_response.domain.records import OutgoingState
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.signals import Signal
from tests.support.house import START, House, down, failed


@pytest.fixture
def house() -> House:
    return House()


def test_page_operations_a_quarter_of_an_hour_later_development(house: House) -> None:
    """The story of an unattended P1, told by what was sent."""
    house.intake.receive([down()], START)
    house.later(seconds=1)
    assert [r for r, s, k in house.post.sent if ":page:" in k] == ["operations"]
    house.later(minutes=15)
    assert sorted(r for r, s, k in house.post.sent if ":page:" in k) == [
        "development",
        "operations",
        "operations",
    ]
    assert ("incident_response", "INC-1") in house.runs.started
    assert ("incident_escalation", "INC-1") in house.runs.started


def test_two_clocks_page_once(house: House) -> None:
    """A second tick at the same moment finds nothing to do."""
    house.intake.receive([down()], START)
    house.later(seconds=1)
    sent = len(house.post.sent)
    assert house.clock.tick(house.now, "clock@other").idle
    assert len(house.post.sent) == sent


def test_lateness_and_who_fired_are_recorded(house: House) -> None:
    """The clock was away for forty seconds."""
    house.intake.receive([down()], START)
    house.later(seconds=40)
    with house.store.read() as tx:
        firing = tx.firings(1)[0]
    assert (firing.lateness, firing.fired_by) == (timedelta(seconds=40), "clock@test")


def test_an_idle_tick_writes_nothing_but_its_sign_of_life(house: House) -> None:
    """Nothing due, nothing done."""
    house.later(seconds=0)
    assert house.clock.tick(house.now + timedelta(seconds=1), "clock@test").idle


def test_a_failing_channel_is_tried_again_and_delivers_once(house: House) -> None:
    """The mail server is away for a minute: said once, then delivered."""
    house.intake.receive([down()], START)
    house.post.broken = True
    for _ in range(10):
        house.later(seconds=6)
    assert house.post.sent == []
    assert (
        sum("failed, it is tried again" in text for text in house.texts(1)) == 2
    )  # page and stakeholders' notice
    house.post.broken = False
    house.later(minutes=5)
    keys = [key for _, _, key in house.post.sent]
    assert len(keys) == len(set(keys)) >= 2


def test_an_interrupted_notice_is_reported_not_repeated_a_page_is_repeated(house: House) -> None:
    """The process died while sending: a page must not get lost, a notice must not come twice."""
    house.intake.receive([down()], START)
    house.clock.fire_due(START, "clock@test")
    with house.store.transaction() as tx:
        tx.claim(START, "clock@dead", timedelta(seconds=60), 100)
    house.later(seconds=61)
    with house.store.read() as tx:
        states = {p.outgoing.key.split(":")[1]: p.state for p in tx.parcels(1)}
    assert states["opened"] is OutgoingState.UNKNOWN
    assert states["page"] is OutgoingState.DELIVERED
    assert any("possibly a repeat" in text for text in house.texts(1))


def test_a_page_for_something_over_is_skipped(house: House) -> None:
    """Resolved before the mail server came back."""
    house.post.broken = True
    house.intake.receive([down()], START)
    house.later(seconds=1)
    house.lifecycle.resolve(1, "operator", house.now)
    house.post.broken = False
    house.later(minutes=10)
    assert not [key for _, _, key in house.post.sent if ":page:" in key]


def test_spooled_signals_are_taken_in_once(house: House) -> None:
    """A file that comes again after a crash is recognised; one that cannot be taken in is set aside."""
    house.spool.files = {"a": [failed()], "b": [failed()], "c": ["no signal"]}  # type: ignore[list-item]
    assert house.clock.take_spooled(START) == 2
    assert (house.spool.files, set(house.spool.aside)) == ({}, {"c"})
    with house.store.read() as tx:
        assert tx.sightings(1)[0].count == 1


def test_a_late_poll_is_taken_over_by_the_clock(house: House) -> None:
    """Its sensor did not come within five seconds."""
    house.watcher.sees = [failed()]
    house.later(seconds=0)
    assert house.watcher.polled == 0
    house.later(seconds=6)
    assert house.watcher.polled == 1
    assert house.incident(1).status is Status.TRIGGERED


def test_a_broken_detector_keeps_its_error_and_its_turn(house: House) -> None:
    """Its row says what is wrong; it is asked again at its interval."""
    house.watcher.error = RuntimeError("secret=hunter2")
    house.later(seconds=0)
    house.later(seconds=6)
    with house.store.read() as tx:
        poll = tx.polls()[0]
    assert poll.failures == 1
    assert "RuntimeError" in poll.error
    assert "hunter2" not in poll.error
    house.watcher.error = None
    house.later(seconds=40)
    with house.store.read() as tx:
        assert (tx.polls()[0].failures, tx.polls()[0].cursor) == (0, {"polled": 2})


def heal(house: House, number: int = 1) -> None:
    remediation = house.remediations.request(number, "system:triage", house.now)
    assert house.remediations.begin(number, remediation.attempt, 1, house.now).allowed
    house.remediations.end(number, remediation.attempt, RemediationState.SUCCEEDED, "green", house.now)


def test_a_repair_resolves_after_the_hold_down_and_wakes_nobody(house: House) -> None:
    """From failure to report without a person."""
    house.intake.receive([failed(dag="small")], START)
    house.later(seconds=2)
    heal(house)
    house.later(minutes=3)
    assert house.incident(1).status is Status.RESOLVED
    assert house.post.sent == []
    assert "green" in house.review.report(1)


def test_the_guard_allows_once_and_resumes_after_a_crash(house: House) -> None:
    """Asking again for the attempt that is running is no second attempt."""
    house.intake.receive([failed(dag="small")], START)
    attempt = house.remediations.request(1, "system:triage", START).attempt
    assert house.remediations.begin(1, attempt, 1, START).reason == "allowed"
    assert house.remediations.begin(1, attempt, 1, START).reason == "resumed"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [("flapping", "flapping"), ("cooldown", "cooldown"), ("many", "blast radius"), ("attempts", "attempts")],
)
def test_the_guard_refuses_with_a_name_and_pages(house: House, prepare: str, reason: str) -> None:
    """The reason is in the timeline, and a person was paged."""
    house.intake.receive([failed(dag="small")], START)
    if prepare == "flapping":
        house.lifecycle.resolve(1, "operator", START)
        house.intake.receive([failed(dag="small", attempt=2)], START + timedelta(minutes=1))
    for number in range(1, {"cooldown": 2, "attempts": 3}.get(prepare, 1)):
        heal(house, number)
        house.later(minutes=3)
        house.later(minutes=61)
        house.intake.receive([failed(dag="small", run=f"r{number + 1}", at=house.now)], house.now)
    if prepare == "cooldown":
        house.now = START + timedelta(minutes=4)  # as if it had come back at once
    number = {"cooldown": 2, "attempts": 3}.get(prepare, 1)
    remediation = house.remediations.request(number, "system:triage", house.now)
    targets = 6 if prepare == "many" else 1
    verdict = house.remediations.begin(number, remediation.attempt, targets, house.now)
    assert (verdict.allowed, verdict.reason) == (False, reason)
    house.later(seconds=1)
    assert any(f"refused ({reason})" in text for text in house.texts(number))
    assert house.incident(number).pages >= 1


def test_effects_are_claimed_before_they_are_tried(house: House) -> None:
    """The second worker learns that somebody has begun, and later that it is done."""
    house.intake.receive([failed()], START)
    assert house.remediations.begin_effect("INC-1:clear:x", 1, "a", START) is None
    assert house.remediations.begin_effect("INC-1:clear:x", 1, "b", START) == "begun"
    house.remediations.end_effect("INC-1:clear:x", 1, "cleared", {"tasks": 1}, "a", START)
    assert house.remediations.begin_effect("INC-1:clear:x", 1, "c", START) == "done"


def test_missing_things_are_named(house: House) -> None:
    """No incident, no runbook: a message, and nothing happens."""
    with pytest.raises(IncidentNotFound, match="INC-9"):
        house.lifecycle.acknowledge(9, "operator", START)
    house.intake.receive([down()], START)
    with pytest.raises(RunbookNotFound, match="doctor"):
        house.remediations.request(1, "operator", START, "no-such-runbook")
    assert house.incident(1).remediations == 0


def test_a_written_runbook_is_for_people(house: House) -> None:
    """It has no steps: a run of it is refused, the incident shows its text."""
    labels = {"alertname": "DataInvalid", "table": "fact_energy_annual"}
    house.intake.receive([Signal("data_quality", labels, "stale", START)], START)
    assert house.incident(1).runbook == "data-quality-by-hand"
    with pytest.raises(IllegalTransition, match="people follow it"):
        house.remediations.request(1, "operator", START)
    assert house.incident(1).remediations == 0
