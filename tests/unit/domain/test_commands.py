"""The rules of an incident (design §4), as properties of every sequence of commands, and one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_response.domain import commands, due
from incident_response.domain.changes import Change, OutgoingKind
from incident_response.domain.errors import BadInput, IllegalTransition
from incident_response.domain.escalation import Cause
from incident_response.domain.incidents import TRANSITIONS, Incident, Status, number_of
from incident_response.domain.runbooks import Remediation, RemediationState
from incident_response.domain.severities import Severity
from incident_response.domain.timeline import EventKind
from incident_response.domain.timers import TimerKind
from tests.support.shipped import library, opened, policy

START = datetime(2026, 11, 23, 2, 0, tzinfo=timezone.utc)
POLICY = policy()
RUNBOOK = library().runbooks()["dag-failure-recovery"]
OPERATOR = "operator"


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def run(incident: Incident, until: datetime, since: datetime = START) -> tuple[Incident, list[Change]]:
    """Let a perfect clock fire every timer from `since` to `until`; what was due before fires at `since`."""
    changes = []
    while (timers := incident.timers) and timers[0].due_at <= until:
        now = max(timers[0].due_at, since)
        change = due.fire(incident, POLICY, timers[0].kind, "clock@test", now)
        incident = change.incident
        changes.append(change)
    return incident, changes


def pages(changes: list[Change]) -> list[tuple[int, int]]:
    """(minute, level) of every page."""
    return [
        (int((o.due_at - START) / minutes(1)), o.data["level"])
        for change in changes
        for o in change.outgoing
        if o.kind is OutgoingKind.PAGE
    ]


def test_an_unacknowledged_p1_pages_every_level() -> None:
    """Page Operations at once, after 15 minutes again and Development, … and the ladder never goes
    backwards.
    """
    _, changes = run(opened(START).incident, START + minutes(46))
    assert pages(changes) == [(0, 1), (15, 1), (15, 2), (30, 2), (30, 3), (45, 3), (45, 4)]


def test_acknowledging_stops_the_first_clock_never_the_ladder() -> None:
    """Acknowledged after five minutes: no missed target, but Level 2, 3 and 4 by the ladder."""
    incident, before = run(opened(START).incident, START + minutes(5))
    incident = commands.acknowledge(incident, POLICY, OPERATOR, START + minutes(5)).incident
    _, after = run(incident, START + minutes(119))
    assert pages(before) == [(0, 1)]
    assert pages(after) == [(60, 2)]


def test_an_acknowledgement_expires_and_asks_again() -> None:
    """Two hours after the acknowledgement of a P1 the level in charge is paged again."""
    incident, _ = run(opened(START).incident, START)
    incident = commands.acknowledge(incident, POLICY, OPERATOR, START + minutes(1)).incident
    incident, changes = run(incident, START + minutes(121))
    assert incident.status is Status.TRIGGERED
    assert (121, 3) in pages(changes)


def test_a_sign_of_work_renews_the_acknowledgement() -> None:
    """A note says that somebody is awake."""
    incident = commands.acknowledge(opened(START).incident, POLICY, OPERATOR, START + minutes(1)).incident
    incident = commands.add_note(incident, POLICY, "looking", OPERATOR, START + minutes(100)).incident
    assert incident.acknowledgement_expires_at == START + minutes(220)


def test_a_p3_with_a_runbook_wakes_nobody_while_it_is_repaired() -> None:
    """The first page waits for the repair; a repair that is proven cancels it."""
    change = opened(START, Severity.P3, runbook=RUNBOOK.name)
    assert change.incident.page_at == START + minutes(10)
    asked = commands.request_remediation(change.incident, POLICY, RUNBOOK, "t", "system:triage", START)
    done = commands.remediation_ended(
        asked.incident, POLICY, RUNBOOK, _ended(asked, RemediationState.SUCCEEDED), "system:runbook", START
    )
    incident, changes = run(done.incident, START + timedelta(days=1))
    assert incident.status is Status.RESOLVED
    assert pages(changes) == []


@pytest.mark.parametrize("state", [RemediationState.FAILED, RemediationState.UNKNOWN])
def test_a_failed_repair_escalates_at_once(state: RemediationState) -> None:
    """Operations and Development are paged in the same moment, also within the grace of a P3."""
    incident = opened(START, Severity.P3, runbook=RUNBOOK.name).incident
    asked = commands.request_remediation(incident, POLICY, RUNBOOK, "t", "system:triage", START)
    failed = commands.remediation_ended(asked.incident, POLICY, RUNBOOK, _ended(asked, state), "s", START)
    assert pages([failed]) == [(0, 1), (0, 2)]
    assert failed.incident.page_at is None


def test_a_refused_repair_pages_a_person() -> None:
    """The guard's no is a person's task, at once."""
    incident = opened(START, Severity.P3, runbook=RUNBOOK.name).incident
    asked = commands.request_remediation(incident, POLICY, RUNBOOK, "t", "system:triage", START)
    refused = commands.remediation_ended(
        asked.incident, POLICY, RUNBOOK, _ended(asked, RemediationState.REFUSED), "s", START
    )
    assert pages([refused]) == [(0, 1)]


def test_a_runbook_that_never_ends_pages() -> None:
    """No word within its time limit: its effect is unknown, people are paged."""
    incident = opened(START, Severity.P3, runbook=RUNBOOK.name).incident
    asked = commands.request_remediation(incident, POLICY, RUNBOOK, "t", "system:triage", START)
    late = due.fire(asked.incident, POLICY, TimerKind.REMEDIATION, "c", START + RUNBOOK.time_limit)
    assert [level for _, level in pages([late])] == [1, 2]


@pytest.mark.parametrize("cause", list(Cause))
def test_causes_jump_to_their_level(cause: Cause) -> None:
    """Code → Development, infrastructure → Infrastructure, security and business → Management (procedures
    §4.1).
    """
    change = commands.escalate(opened(START).incident, POLICY, OPERATOR, START, cause=cause)
    assert change.incident.level == cause.level
    assert pages([change])[-1] == (0, cause.level)


def test_a_late_clock_pages_everybody_owed_and_nobody_twice() -> None:
    """A clock that was away for five hours catches up; every key is written once."""
    incident, changes = run(opened(START).incident, START)
    late = START + timedelta(hours=5)
    while (timers := incident.timers) and timers[0].due_at <= late:
        change = due.fire(incident, POLICY, timers[0].kind, "clock@test", late)
        changes.append(change)
        incident = change.incident
    keys = [o.key for change in changes for o in change.outgoing]
    assert len(keys) == len(set(keys))
    assert incident.level == 4


def test_quiet_is_not_fixed_until_the_hold_down_has_passed() -> None:
    """Mitigated, then resolved by the clock, unless a signal reopens it, flapping."""
    mitigated = commands.mitigate(
        opened(START).incident, POLICY, "system:intake", START, proof="quiet"
    ).incident
    resolved, _ = run(mitigated, START + minutes(5))
    assert resolved.status is Status.RESOLVED
    back = commands.reopen(mitigated, POLICY, "system:intake", START + minutes(2), reason="again").incident
    assert (back.status, back.flapping, back.hold_until) == (Status.TRIGGERED, True, None)
    assert back.page_at == START + minutes(2)


@given(st.sampled_from(list(Severity)), st.sampled_from(list(Severity)), st.integers(0, 6000))
def test_raising_a_severity_never_makes_anything_due_later(
    before: Severity, after: Severity, minute: int
) -> None:
    """Each armed timer of a raised incident is due at its old time or earlier, whatever had happened until
    then.
    """
    now = START + minutes(minute)
    incident, _ = run(opened(START, before).incident, now)
    raised = commands.set_severity(incident, POLICY, after, OPERATOR, now).incident
    if not after.worse_than(before):
        return
    for kind in TimerKind:
        old, new = getattr(incident, kind.value), getattr(raised, kind.value)
        assert old is None or (new is not None and new <= old), kind


@pytest.mark.parametrize("taken", [False, True], ids=["paged", "acknowledged"])
def test_a_raise_pages_and_a_lowering_does_not(taken: bool) -> None:
    """Whoever was told of the lesser trouble does not know of the worse one. The title is the new one's."""
    incident, _ = run(opened(START, Severity.P3).incident, START + minutes(11))
    if taken:
        incident = commands.acknowledge(incident, POLICY, OPERATOR, START + minutes(12)).incident
    now = START + minutes(20)
    raised = commands.set_severity(incident, POLICY, Severity.P1, OPERATOR, now, title="It is down")
    assert pages([raised]) == [(20, 1)]
    assert raised.incident.title == "It is down"
    assert raised.events[0].text == "Severity raised from P3 to P1: It is down"
    assert raised.incident.resolve_by == START + minutes(240)
    lowered = commands.set_severity(raised.incident, POLICY, Severity.P2, OPERATOR, now + minutes(1))
    assert (pages([lowered]), lowered.incident.title) == ([], "It is down")


def test_a_raise_before_the_first_page_is_that_page() -> None:
    """And what seems mended pages nobody."""
    fresh = opened(START, Severity.P3).incident.evolve(page_at=START + minutes(10))
    raised = commands.set_severity(fresh, POLICY, Severity.P1, OPERATOR, START + minutes(1))
    _, after = run(raised.incident, START + minutes(5), START + minutes(1))
    assert (pages([raised]), pages(after)) == ([], [(1, 1)])
    mended = commands.mitigate(fresh, POLICY, OPERATOR, START + minutes(2), proof="green").incident
    assert pages([commands.set_severity(mended, POLICY, Severity.P1, OPERATOR, START + minutes(3))]) == []


Do = Callable[[Incident, datetime], Change]
COMMANDS: dict[str, Do] = {
    "acknowledge": lambda i, n: commands.acknowledge(i, POLICY, OPERATOR, n),
    "investigate": lambda i, n: commands.investigate(i, POLICY, OPERATOR, n),
    "assign": lambda i, n: commands.assign(i, POLICY, OPERATOR, "developer", n),
    "take": lambda i, n: commands.assign(i, POLICY, OPERATOR, OPERATOR, n),
    "note": lambda i, n: commands.add_note(i, POLICY, "note", OPERATOR, n),
    "update": lambda i, n: commands.post_update(i, POLICY, "update", OPERATOR, n),
    "raise": lambda i, n: commands.set_severity(i, POLICY, Severity.P1, OPERATOR, n),
    "lower": lambda i, n: commands.set_severity(i, POLICY, Severity.P4, OPERATOR, n),
    "escalate": lambda i, n: commands.escalate(i, POLICY, OPERATOR, n),
    "security": lambda i, n: commands.escalate(i, POLICY, OPERATOR, n, cause=Cause.SECURITY),
    "mitigate": lambda i, n: commands.mitigate(i, POLICY, OPERATOR, n, proof="quiet"),
    "resolve": lambda i, n: commands.resolve(i, POLICY, OPERATOR, n),
    "reopen": lambda i, n: commands.reopen(i, POLICY, OPERATOR, n, reason="back"),
    "close": lambda i, n: commands.close(i, POLICY, OPERATOR, n),
    "review": lambda i, n: commands.review(i, POLICY, "root_cause", "a cause", OPERATOR, n),
    "runbook": lambda i, n: commands.request_remediation(i, POLICY, RUNBOOK, "t", "system:triage", n),
}
steps = st.lists(st.tuples(st.sampled_from([*COMMANDS, "clock"]), st.integers(0, 300)), max_size=30)


@settings(max_examples=300)
@given(st.sampled_from(list(Severity)), steps)
def test_no_sequence_of_commands_reaches_an_illegal_state(
    severity: Severity, sequence: list[tuple[str, int]]
) -> None:
    """Whatever people and clocks do, in whatever order."""
    change = opened(START, severity)
    incident, now, changes = change.incident, START, [change]
    for name, wait in sequence:
        now += minutes(wait) + timedelta(microseconds=1)  # no two commands in the same instant
        before = incident
        if name == "clock":
            incident, fired = run(incident, now, now - minutes(wait))
            changes += fired
        else:
            try:
                changes.append(COMMANDS[name](incident, now))
                incident = changes[-1].incident
            except IllegalTransition:
                continue  # refused, with nothing changed
            legal = incident.status is before.status or incident.status in TRANSITIONS[before.status]
            assert legal or (name == "take" and incident.status is Status.ACKNOWLEDGED)
        _assert_sane(incident)
        assert incident.level >= before.level
        assert incident.pages >= before.pages
    keys = [o.key for c in changes for o in c.outgoing]
    assert len(keys) == len(set(keys)), "an effect was written twice"
    firings = [(f.kind, f.due_at) for c in changes for f in c.firings]
    assert len(firings) == len(set(firings)), "a timer fired twice"


def test_a_severity_that_changes_makes_no_page_due_a_second_time() -> None:
    """Reopened, the clocks began anew: a raised severity must not fire again what has fired."""
    missed, first = run(opened(START).incident, START + minutes(20))
    lowered = commands.set_severity(missed, POLICY, Severity.P4, OPERATOR, START + minutes(21)).incident
    raised = commands.set_severity(lowered, POLICY, Severity.P1, OPERATOR, START + minutes(22)).incident
    assert raised.acknowledge_by == START + minutes(22)

    incident, before = run(opened(START, Severity.P3).incident, START + minutes(300))
    quiet = commands.mitigate(incident, POLICY, OPERATOR, START + minutes(301), proof="quiet").incident
    back = commands.reopen(quiet, POLICY, OPERATOR, START + minutes(302), reason="back").incident
    worse = commands.set_severity(back, POLICY, Severity.P1, OPERATOR, START + minutes(303)).incident
    assert (back.page_at, worse.page_at) == (START + minutes(302), START + minutes(302))

    for fired, later in ((first, raised), (before, worse)):
        _, again = run(later, START + minutes(330), START + minutes(303))
        firings = [(f.kind, f.due_at) for change in (*fired, *again) for f in change.firings]
        assert len(firings) == len(set(firings))


def _assert_sane(incident: Incident) -> None:
    armed = {timer.kind for timer in incident.timers}
    if incident.status is Status.CLOSED:
        assert not armed
    elif incident.status is Status.RESOLVED:
        assert armed == {TimerKind.CLOSE}
    elif incident.status is Status.MITIGATED:
        assert TimerKind.HOLD in armed
        assert TimerKind.PAGE not in armed
    elif incident.status is Status.TRIGGERED:
        assert TimerKind.ACKNOWLEDGE in armed, "nobody would be paged"
        assert TimerKind.ACKNOWLEDGEMENT_EXPIRY not in armed
    else:
        assert TimerKind.ACKNOWLEDGE not in armed
        assert TimerKind.ACKNOWLEDGEMENT_EXPIRY in armed, "it would be forgotten"
    if incident.status.is_open:
        assert incident.next_due_at is not None


def test_only_open_incidents_escalate() -> None:
    """The error says what the incident is."""
    resolved = commands.resolve(opened(START).incident, POLICY, OPERATOR, START).incident
    with pytest.raises(IllegalTransition, match="INC-1 is resolved"):
        commands.escalate(resolved, POLICY, OPERATOR, START)


def test_empty_and_endless_texts_are_refused() -> None:
    """Nothing was changed, and the message says so."""
    incident = opened(START).incident
    for text in ("  ", "x" * 20_001):
        with pytest.raises(BadInput, match="nothing was changed"):
            commands.add_note(incident, POLICY, text, OPERATOR, START)


def test_the_resolution_is_told_to_everybody_who_was_paged() -> None:
    """Levels 1 and 2 and the stakeholders of a P1 hear that it is over."""
    incident, _ = run(opened(START).incident, START + minutes(15))
    told = commands.resolve(incident, POLICY, OPERATOR, START + minutes(16)).outgoing
    assert {o.receiver for o in told} == {"operations", "development", "stakeholders"}


@pytest.mark.parametrize(("text", "number"), [("INC-42", 42), ("inc-7", 7), ("12", 12), (5, 5)])
def test_keys_name_incidents(text: str | int, number: int) -> None:
    """People write INC-42, 42 or inc-42."""
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["", "INC-", "INC-0", "DROP TABLE", "INC-99999999999"])
def test_what_names_no_incident_is_refused(text: str) -> None:
    """With a hint how to write one."""
    with pytest.raises(BadInput, match="write INC-42"):
        number_of(text)


def _ended(asked: Change, state: RemediationState) -> Remediation:
    return replace(asked.remediations[-1], state=state, reason="because", ended_at=START)


def test_the_opening_asks_for_its_two_runs() -> None:
    """Response and escalation, both named after the incident, so that a repeat is a duplicate and no second
    run.
    """
    runs = [o for o in opened(START, number=42).outgoing if o.kind is OutgoingKind.RUN]
    assert {(o.receiver, o.template) for o in runs} == {
        ("incident_response", "INC-42"),
        ("incident_escalation", "INC-42"),
    }
    assert EventKind.OPENED in {event.kind for event in opened(START).events}
