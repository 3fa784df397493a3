"""Growing forgets nothing: attempts count per thing; who takes over has the level and the earliest times."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incident_response.domain.runbooks import RemediationState
from tests.support.house import START, House, failed

from .test_one_cause import FILES, opened

RUN = "run:a/r1"


@pytest.fixture
def house() -> House:
    return House(FILES)


def repair(house: House, number: int, *things: str) -> str:
    """The guard's word; what it allows is done to each thing, and fails."""
    attempt = house.remediations.request(number, "system:triage", house.now).attempt
    verdict = house.remediations.begin(number, attempt, len(things), house.now, things)
    if verdict.allowed:
        for thing in things:
            key = f"INC-{number}:{attempt}:clear:{thing}"
            house.remediations.begin_effect(key, number, "test", house.now, attempt)
            house.remediations.end_effect(key, number, "cleared", {}, "test", house.now)
        house.remediations.end(number, attempt, RemediationState.FAILED, "not green", house.now)
    return f"{verdict.reason}: {verdict.explanation}"


def fail(house: House, *dags: str) -> list[int]:
    house.intake.receive([failed(dag, at=house.now) for dag in dags], house.now)
    house.later(seconds=1)
    return sorted(opened(house))


def test_an_umbrella_does_not_begin_the_attempts_on_a_run_anew(house: House) -> None:
    """Two incidents have each repaired it once; whatever third one asks is refused, by name."""
    (first, second), third = fail(house, "a", "b"), 0
    assert repair(house, first, RUN).startswith("allowed")
    house.later(minutes=6)
    assert repair(house, second, RUN, "run:b/r1").startswith("allowed")
    house.later(minutes=30)
    (third,) = [number for number in fail(house, "c") if number not in (first, second)]

    said = repair(house, third, "run:c/r1", RUN)

    assert said == f"attempts: dag-failure-recovery has changed {RUN} 2 times within 6 h 0 min"


def test_nor_does_it_begin_the_cooldown_anew(house: House) -> None:
    first, second = fail(house, "a", "b")
    assert repair(house, first, RUN).startswith("allowed")
    house.later(minutes=1)

    assert repair(house, second, RUN).startswith(f"cooldown: the last remediation of {RUN} ended at ")
    assert repair(house, second, "run:b/r1").startswith("allowed")


def test_two_incidents_do_not_work_on_one_thing_at_once(house: House) -> None:
    first, second = fail(house, "a", "b")
    attempt = house.remediations.request(first, "system:triage", house.now).attempt
    assert house.remediations.begin(first, attempt, 1, house.now, [RUN]).allowed

    said = repair(house, second, RUN)

    assert said == f"target busy: a remediation of INC-{first} is working on {RUN}"


def test_who_takes_over_has_the_earliest_start_and_due_points_the_level_and_the_flapping(
    house: House,
) -> None:
    """The level is told: whoever was about to be woken for the other one is woken for this one."""
    (old,) = fail(house, "a")
    house.lifecycle.resolve(old, "operator", house.now)
    house.now += timedelta(minutes=1)
    house.intake.receive([failed("a", run="r2", at=house.now)], house.now)
    house.lifecycle.escalate(old, "operator", house.now, to=3, reason="test")
    before = house.incident(old)
    assert before.flapping
    house.now += timedelta(minutes=40)
    young = next(number for number in fail(house, "b") if number != old)
    pages = house.incident(young).pages

    house.intake.gathering.merge_by_hand(old, young, "operator", house.now)

    after = house.incident(young)
    assert (after.flapping, after.level, after.started_at) == (True, 3, before.started_at)
    assert after.acknowledge_by is not None
    assert before.acknowledge_by is not None
    assert after.acknowledge_by <= before.acknowledge_by
    assert after.resolve_by == before.resolve_by
    assert after.pages > pages
    assert any("Level 3" in text and "which it took over" in text for text in house.texts(young))


def test_a_clock_that_a_person_has_stopped_stays_so(house: House) -> None:
    first, second = fail(house, "a", "b")
    house.lifecycle.acknowledge(second, "operator", house.now)
    house.intake.gathering.merge_by_hand(first, second, "operator", house.now)
    assert house.incident(second).acknowledge_by is None
    assert house.incident(second).started_at == START


def test_what_a_person_has_stopped_counts_for_no_umbrella(house: House) -> None:
    """Three DAGs marked failed by hand are three decisions, not an outage."""
    stop = {"what": "x", "how": "marked failed", "by": "ada", "at": START.isoformat(), "note": ""}
    signals = [failed(dag, at=START) for dag in ("a", "b", "c")]
    for one in signals:
        one.details["stopped"] = stop  # type: ignore[index]
    house.intake.receive(signals, START)
    house.later(minutes=5)
    assert sorted(opened(house).values()) == ["a", "b", "c"]
