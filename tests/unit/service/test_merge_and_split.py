"""People put together what is one trouble, and take apart what is two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from incident_response.domain.errors import BadInput, IllegalTransition, IncidentNotFound
from incident_response.domain.incidents import Status
from incident_response.domain.records import OutgoingState, Role
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.service.intake import Taken
from tests.support.house import House, failed

from .test_one_cause import FILES, opened, refused, signals, take, unhealthy
from .test_umbrella import DAGS, fail, green

BY = "operator"


@pytest.fixture
def house() -> House:
    return House(FILES)


def disk(house: House, instance: str = "a", firing: bool = True, source: str = "prometheus") -> Signal:
    """One of several disks of one service: one cause, several things."""
    labels = {"alertname": "DiskSpaceLow", "service": "files", "shelf": instance}
    return Signal(source, labels, f"{instance} is almost full", house.now, firing)


def merge(house: House, child: int, parent: int) -> None:
    house.intake.gathering.merge_by_hand(child, parent, BY, house.now)


def split(house: House, number: int, *what: Signal) -> int:
    keys = {(signal.source, signal.fingerprint) for signal in what}
    return house.intake.splitting.split(number, keys, BY, house.now).number


def two(house: House) -> None:
    """INC-1 of a full disk, INC-2 of a failed pipeline."""
    take(house, disk(house))
    take(house, failed(DAGS[0], at=house.now))


# ----------------------------------------------------------------------------------------------- merging


def test_merging_makes_one_of_two(house: House) -> None:
    """Signals, severity and the story go to the one; the other is over, silently."""
    two(house)
    merge(house, 1, 2)
    assert list(opened(house)) == [2]
    assert house.incident(2).severity is Severity.P2
    assert house.incident(1).merged_into == 2
    assert len(signals(house, 2)) == 2
    assert "Merged into INC-2" in " ".join(house.texts(1))
    assert "INC-1" in " ".join(house.texts(2))
    with house.store.read() as tx:
        assert all(p.state is OutgoingState.SKIPPED for p in tx.parcels(1))


def test_later_signals_of_what_was_merged_go_to_the_parent(house: House) -> None:
    """Firing and ended ones."""
    two(house)
    merge(house, 1, 2)
    house.now += timedelta(minutes=1)
    assert take(house, disk(house, "b")) == [Taken.COUNTED]
    take(house, disk(house, "a", False), disk(house, "b", False))
    green(house, DAGS[0])
    assert house.incident(2).status is Status.MITIGATED


def test_a_merged_event_needs_its_proof(house: House) -> None:
    """The parent's own alert ends: the failed run in it is as broken as before."""
    two(house)
    merge(house, 2, 1)
    house.now += timedelta(minutes=1)
    take(house, replace(failed(DAGS[0], at=house.now), firing=False))
    take(house, disk(house, firing=False))
    assert house.incident(1).status is Status.TRIGGERED
    green(house, DAGS[0])
    assert house.incident(1).status is Status.MITIGATED


def test_merging_goes_on_through_what_was_merged(house: House) -> None:
    """Three pipelines under their umbrella, and that one into the broken disk: their signals find it."""
    fail(house, *DAGS[:3])
    (umbrella,) = opened(house)
    take(house, disk(house))
    number = max(opened(house))
    merge(house, umbrella, number)
    assert list(opened(house)) == [number]
    again = [failed(dag, attempt=2, at=house.now) for dag in DAGS[:3]]
    assert take(house, *again) == [Taken.COUNTED] * 3
    assert list(opened(house)) == [number]


def test_when_the_parent_is_over_the_key_is_free(house: House) -> None:
    """A new signal of the child's cause opens a new incident, also inside the reopen window."""
    two(house)
    merge(house, 1, 2)
    house.now += timedelta(minutes=1)
    house.lifecycle.resolve(2, BY, house.now)
    house.now += timedelta(minutes=1)
    assert take(house, disk(house)) == [Taken.OPENED]
    assert house.incident(1).status is Status.RESOLVED


def test_a_merged_incident_does_not_reopen(house: House) -> None:
    """The error names the one to work on."""
    two(house)
    merge(house, 1, 2)
    with pytest.raises(IllegalTransition, match="merged into INC-2"):
        house.lifecycle.reopen(1, BY, house.now, reason="x")


def test_merging_into_a_mitigated_one_wakes_it(house: House) -> None:
    """Something in it fires: its hold-down must not end it."""
    two(house)
    house.lifecycle.mitigate(1, BY, house.now, proof="cleaned up")
    merge(house, 2, 1)
    assert house.incident(1).status is Status.TRIGGERED
    house.later(minutes=10)
    assert house.incident(1).status is not Status.RESOLVED


def test_merging_a_consequence_into_its_cause_keeps_it_one(house: House) -> None:
    """A person says what the window missed: it is over with the cause, and looked at if it still fires."""
    take(house, unhealthy("keycloak", house))
    house.later(minutes=20)
    take(house, refused(house))
    merge(house, 1, 2)
    assert [s.role for s in signals(house, 2)] == [Role.CONSEQUENCE, Role.OWN]
    house.now += timedelta(minutes=1)
    assert take(house, unhealthy("keycloak", house)) == [Taken.ATTACHED]
    take(house, unhealthy("keycloak", house, firing=False))
    assert take(house, refused(house, firing=False)) == [Taken.MITIGATED]
    house.later(minutes=10)
    assert opened(house) == {}


def test_consequences_of_what_is_merged_stay_consequences(house: House) -> None:
    """They do not hold the parent open."""
    take(house, unhealthy("keycloak", house), unhealthy("lianel-stock-service", house))
    take(house, disk(house))
    keycloak, other = sorted(opened(house))
    merge(house, keycloak, other)
    house.now += timedelta(minutes=1)
    take(house, unhealthy("keycloak", house, firing=False), disk(house, firing=False))
    assert house.incident(other).status is Status.MITIGATED
    house.later(minutes=6)
    assert list(opened(house).values()) == ["lianel-stock-service"]


def test_several_causes_of_one_call_raise_to_the_worst(house: House) -> None:
    """Whichever comes last."""
    two(house)
    merge(house, 1, 2)
    worst = failed(DAGS[0], attempt=2, at=house.now, tagged_severity="P1")
    take(house, worst, disk(house, "b"))
    assert house.incident(2).severity is Severity.P1


def test_what_cannot_be_merged_is_refused_with_a_reason(house: House) -> None:
    """Itself, what is over, what is not there; nothing is changed."""
    two(house)
    take(house, refused(house))
    house.lifecycle.resolve(3, BY, house.now)
    with pytest.raises(BadInput, match="INC-1 cannot be merged into itself"):
        merge(house, 1, 1)
    for child, parent in ((1, 3), (3, 1)):
        with pytest.raises(IllegalTransition, match="INC-3 is resolved"):
            merge(house, child, parent)
    for child, parent in ((1, 99), (99, 1)):
        with pytest.raises(IncidentNotFound, match="INC-99"):
            merge(house, child, parent)
    merge(house, 1, 2)
    with pytest.raises(IllegalTransition, match="INC-1 is resolved"):
        merge(house, 1, 2)
    assert list(opened(house)) == [2]


# --------------------------------------------------------------------------------------------- splitting


def test_splitting_makes_two_of_one(house: House) -> None:
    """What is split off follows its own incident from then on, the rest stays."""
    take(house, disk(house, "a"), disk(house, "b"), disk(house, "c"))
    other = split(house, 1, disk(house, "b"))
    assert sorted(opened(house)) == [1, other]
    house.now += timedelta(minutes=1)
    receipts = house.intake.receive([disk(house, "a"), disk(house, "b")], house.now)
    assert {s.labels["shelf"] for s in signals(house, 1)} == {"a", "c"}
    assert [(s.labels["shelf"], s.count) for s in signals(house, other)] == [("b", 2)]
    assert receipts[0].incident == 1
    take(house, disk(house, "b", False))
    assert house.incident(other).status is Status.MITIGATED
    assert house.incident(1).status is Status.TRIGGERED
    assert f"into INC-{other}" in " ".join(house.texts(1))
    assert "from INC-1" in " ".join(house.texts(other))


def test_a_new_thing_of_the_cause_stays_with_the_old_incident(house: House) -> None:
    """Only what was named goes."""
    take(house, disk(house, "a"), disk(house, "b"))
    split(house, 1, disk(house, "b"))
    assert house.intake.receive([disk(house, "d")], house.now)[0].incident == 1


def test_all_sources_of_a_thing_go_with_it(house: House) -> None:
    """Poll and webhook tell of one disk: what follows is told apart by the disk, not by who tells it."""
    take(house, disk(house, "a"), disk(house, "b"), disk(house, "b", source="alertmanager"))
    other = split(house, 1, disk(house, "b"))
    assert {s.source for s in signals(house, other)} == {"prometheus", "alertmanager"}
    house.now += timedelta(minutes=1)
    take(house, disk(house, "a", False))
    assert house.incident(1).status is Status.MITIGATED


def test_a_member_that_is_split_from_its_umbrella_has_its_own_cause_again(house: House) -> None:
    """With its own key, title and runbook; a new failure of it goes there."""
    fail(house, *DAGS[:3])
    (umbrella,) = opened(house)
    other = split(house, umbrella, failed(DAGS[0]))
    assert house.incident(other).service == DAGS[0]
    assert house.intake.receive([failed(DAGS[0], attempt=2, at=house.now)], house.now)[0].incident == other
    house.now += timedelta(minutes=1)
    green(house, *DAGS[1:3])
    assert house.incident(umbrella).status is Status.MITIGATED
    house.lifecycle.resolve(other, BY, house.now)
    house.lifecycle.reopen(umbrella, BY, house.now, reason="not quite")
    house.now += timedelta(hours=2)
    late = house.intake.receive([failed(DAGS[0], run="r2", at=house.now)], house.now)[0]
    assert late.reason is Taken.OPENED, "it was merged once, but has been on its own since"


def test_two_members_that_are_split_off_together_stay_together(house: House) -> None:
    """Later signals of both."""
    fail(house, *DAGS[:3])
    (umbrella,) = opened(house)
    other = split(house, umbrella, failed(DAGS[0]), failed(DAGS[1]))
    again = [failed(dag, at=house.now) for dag in DAGS[:3]]
    house.intake.receive(again, house.now)
    assert {s.labels["dag_id"] for s in signals(house, other)} == set(DAGS[:2])
    assert {s.labels["dag_id"] for s in signals(house, umbrella)} == {DAGS[2]}


def test_what_was_split_off_can_be_merged_again(house: House) -> None:
    """And its signals are back."""
    take(house, disk(house, "a"), disk(house, "b"))
    other = split(house, 1, disk(house, "b"))
    merge(house, other, 1)
    assert len(signals(house, 1)) == 2
    assert house.intake.receive([disk(house, "b")], house.now)[0].incident == 1
    house.now += timedelta(minutes=1)
    take(house, disk(house, "a", False), disk(house, "b", False))
    assert house.incident(1).status is Status.MITIGATED


def test_what_was_split_off_stays_so_when_the_rest_is_merged(house: House) -> None:
    """The parent knows of it."""
    take(house, disk(house, "a"), disk(house, "b"))
    other = split(house, 1, disk(house, "b"))
    take(house, failed(DAGS[0], at=house.now))
    parent = max(opened(house))
    merge(house, 1, parent)
    assert take(house, disk(house, "b")) == [Taken.COUNTED]
    assert [s.count for s in signals(house, other)] == [2]
    assert len(signals(house, parent)) == 2


def test_what_cannot_be_split_is_refused_with_a_reason(house: House) -> None:
    """All of its own signals, none of them, one that is over, one that is not there; nothing is changed."""
    take(house, refused(house), unhealthy("keycloak", house))
    with pytest.raises(BadInput, match="left without a signal"):
        split(house, 1, refused(house))
    with pytest.raises(BadInput, match="none of these signals"):
        split(house, 1, disk(house))
    with pytest.raises(BadInput, match="none of these signals"):
        split(house, 1)
    with pytest.raises(IncidentNotFound, match="INC-99"):
        split(house, 99, disk(house))
    house.lifecycle.resolve(1, BY, house.now)
    with pytest.raises(IllegalTransition, match="INC-1 is resolved"):
        split(house, 1, unhealthy("keycloak", house))
    assert len(signals(house, 1)) == 2


def test_a_consequence_can_be_split_off(house: House) -> None:
    """A person knows better: it is no consequence. It has its own incident at once."""
    take(house, refused(house), unhealthy("keycloak", house))
    other = split(house, 1, unhealthy("keycloak", house))
    assert house.incident(other).service == "keycloak"
    assert take(house, unhealthy("keycloak", house)) == [Taken.COUNTED]
    assert [s.role for s in signals(house, 1)] == [Role.OWN]


# ---------------------------------------------------------------------------------------------- flapping


def test_what_comes_back_inside_the_window_is_flapping(house: House) -> None:
    """The same incident, paged at once, no automation."""
    take(house, disk(house))
    house.now += timedelta(minutes=1)
    take(house, disk(house, firing=False))
    house.later(minutes=6)
    assert house.incident(1).status is Status.RESOLVED
    house.now += timedelta(minutes=53)
    assert take(house, disk(house)) == [Taken.REOPENED]
    incident = house.incident(1)
    assert (incident.flapping, incident.reopenings, incident.page_at) == (True, 1, house.now)


def test_what_comes_back_worse_is_raised(house: House) -> None:
    """The second time as a P1."""
    take(house, disk(house))
    house.lifecycle.resolve(1, BY, house.now)
    house.now += timedelta(minutes=5)
    take(house, replace(disk(house), details={"tagged_severity": "P1"}))
    assert (house.incident(1).flapping, house.incident(1).severity) == (True, Severity.P1)


def test_what_comes_back_later_is_new(house: House) -> None:
    """Tomorrow's trouble."""
    take(house, disk(house))
    house.lifecycle.resolve(1, BY, house.now)
    house.now += timedelta(minutes=61)
    assert take(house, disk(house)) == [Taken.OPENED]
    assert not house.incident(2).flapping
