"""Every store: incidents of one cause are found, and their signals moved without losing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from incident_response.domain.changes import Change
from incident_response.domain.incidents import Status
from incident_response.domain.ports import Store
from incident_response.domain.records import OutgoingState, Role, Sighting
from incident_response.domain.severities import Scenario
from incident_response.domain.transactions import Transaction

from .records import LEASE, NOW, after, changed, incident, opened, outgoing, resolved, sighting


def record(store: Store, *sightings: Sighting) -> None:
    with store.transaction() as tx:
        tx.record(sightings)


def kept(store: Store, number: int) -> dict[tuple[str, str], Sighting]:
    with store.read() as tx:
        return {(s.source, s.fingerprint): s for s in tx.sightings(number)}


def follows(number: int, fingerprint: str = "f1", **fields: Any) -> Sighting:
    return sighting(number, fingerprint, role=Role.CONSEQUENCE, **fields)


def merged(number: int, into: int, key: str = "", **fields: Any) -> Any:
    return resolved(number, key, merged_into=into, **fields)


def into(tx: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """Where keys lead; the service that is told with each is that of the incident there."""
    found = tx.merged(keys)
    assert all(service == tx.get(number).service for number, service in found.values())
    return {key: number for key, (number, _) in found.items()}


def test_open_incidents_of_services_are_found_oldest_first(store: Store):
    """In every open status; none of other services, none that is over."""
    opened(
        store,
        incident(3, service="db", status=Status.MITIGATED),
        incident(1, service="db"),
        incident(2, service="web"),
        resolved(4, service="db"),
        incident(5, service="proxy"),
    )
    with store.transaction() as tx:
        assert [i.number for i in tx.open_on({"db", "web", "none"})] == [1, 2, 3]
        assert list(tx.open_on(set())) == []


def test_what_opened_lately_is_told_by_scenario_and_service(store: Store):
    """Above a number, since a moment, while it is open."""
    opened(
        store,
        incident(1, service="a"),
        incident(2, service="b", scenario=Scenario.DATABASE),
        incident(3, service="c", opened_at=after(-1)),
        resolved(4, service="d"),
        incident(5, service="e"),
    )
    with store.transaction() as tx:
        assert sorted(tx.opened(1, NOW)) == [(Scenario.DAG_FAILURE, "e"), (Scenario.DATABASE, "b")]
        assert [i.number for i in tx.open_above(2, NOW)] == [5]


def test_a_merged_key_leads_to_the_open_incident(store: Store):
    """Not to one that is over; a key that was never merged leads nowhere."""
    opened(store, incident(1, "parent"), resolved(2, "over"))
    opened(store, merged(3, 1, "child"), merged(4, 2, "lost"), incident(5, "own"))
    with store.transaction() as tx:
        assert into(tx, ["child", "lost", "own", "parent", "none"]) == {"child": 1}


def test_a_merged_key_is_followed_through_all_that_took_over(store: Store):
    """Three pipelines under one incident, and that one merged by hand into a fourth."""
    opened(store, incident(9, "top"))
    opened(store, merged(2, 9, "middle"), merged(1, 2, "child"))
    with store.transaction() as tx:
        assert into(tx, ["child", "middle"]) == {"child": 9, "middle": 9}


def test_of_a_merged_key_the_latest_incident_counts(store: Store):
    """What was split off again has an incident of its own; that its first one was merged is long ago."""
    opened(store, incident(1, "parent"))
    opened(store, merged(2, 1, "child"), resolved(3, "child"), merged(4, 1, "twice"), merged(5, 1, "twice"))
    with store.transaction() as tx:
        assert into(tx, ["child", "twice"]) == {"twice": 1}


def test_a_closed_child_leads_nowhere(store: Store):
    """It was filed."""
    opened(store, incident(1, "parent"))
    opened(store, incident(2, "child", status=Status.CLOSED, closed_at=NOW, merged_into=1))
    with store.transaction() as tx:
        assert tx.merged(["child"]) == {}


def test_a_merged_incident_is_not_the_current_one(store: Store):
    """It never reopens, however young it is; another one of its key does."""
    opened(store, incident(1, "parent"), merged(2, 1, "child"), merged(4, 1, "both"))
    with store.transaction() as tx:
        assert tx.lock_current(["child", "both"], after(-60)) == {}
    opened(store, resolved(3, "both"))
    with store.transaction() as tx:
        assert tx.lock_current(["both"], after(-60))["both"].number == 3


def test_moved_signals_add_up(store: Store):
    """The target has one of the same source and thing: counts add, the latest words count, none is lost."""
    opened(store, incident(1), incident(2))
    record(store, sighting(1, count=3, summary="old"), sighting(1, "f2", count=2))
    record(store, sighting(2, count=4, summary="new", last_at=after(9), first_at=after(-9)))
    with store.transaction() as tx:
        tx.move_signals(1, 2, Role.OWN)
    found = kept(store, 2)
    assert {key: (s.count, s.summary) for key, s in found.items()} == {
        ("callback", "f1"): (7, "new"),
        ("callback", "f2"): (2, "it failed"),
    }
    assert (found["callback", "f1"].first_at, found["callback", "f1"].last_at) == (after(-9), after(9))
    assert kept(store, 1) == {}


def test_moving_what_is_not_there_moves_nothing(store: Store):
    """An incident without signals."""
    opened(store, incident(1), incident(2))
    with store.transaction() as tx:
        tx.move_signals(1, 2, Role.OWN)
    assert kept(store, 2) == {}


def test_moved_signals_keep_what_they_were(store: Store):
    """Its own ones become what the move says; consequences and what was released are no more than that."""
    opened(store, incident(1), incident(2), incident(3))
    record(store, sighting(1), follows(1, "f2"), sighting(1, "f3", role=Role.RELEASED))
    with store.transaction() as tx:
        tx.move_signals(1, 2, Role.OWN)
    assert {f: s.role for (_, f), s in kept(store, 2).items()} == {
        "f1": Role.OWN,
        "f2": Role.CONSEQUENCE,
        "f3": Role.RELEASED,
    }
    with store.transaction() as tx:
        tx.move_signals(2, 3, Role.CONSEQUENCE)
    assert {f: s.role for (_, f), s in kept(store, 3).items()} == {
        "f1": Role.CONSEQUENCE,
        "f2": Role.CONSEQUENCE,
        "f3": Role.RELEASED,
    }


@pytest.mark.parametrize(
    ("before", "fresh", "role"),
    [
        (Role.OWN, Role.CONSEQUENCE, Role.OWN),
        (Role.CONSEQUENCE, Role.OWN, Role.OWN),
        (Role.CONSEQUENCE, Role.CONSEQUENCE, Role.CONSEQUENCE),
        (Role.RELEASED, Role.CONSEQUENCE, Role.CONSEQUENCE),
        (Role.RELEASED, Role.OWN, Role.OWN),
    ],
)
def test_the_nearer_role_counts(store: Store, before: Role, fresh: Role, role: Role):
    """What was released and is a consequence again must not be forgotten a second time."""
    opened(store, incident(1))
    record(store, sighting(1, role=before))
    record(store, sighting(1, role=fresh, last_at=after(5)))
    assert kept(store, 1)["callback", "f1"].role is role


def test_taken_signals_are_gone_and_returned(store: Store):
    """Those that are there; the rest stays."""
    opened(store, incident(1), incident(2))
    record(store, sighting(1), sighting(1, "f2"), sighting(1, source="scan"), sighting(2))
    with store.transaction() as tx:
        taken = tx.take_signals(1, {("callback", "f1"), ("scan", "f1"), ("scan", "none")})
    assert sorted((s.source, s.fingerprint) for s in taken) == [("callback", "f1"), ("scan", "f1")]
    assert list(kept(store, 1)) == [("callback", "f2")]
    assert list(kept(store, 2)) == [("callback", "f1")]


def test_messages_that_nobody_has_begun_to_send_are_skipped(store: Store):
    """One under way goes on, one that is settled stays, other incidents' messages are theirs."""
    for number in (1, 2):
        opened(store, incident(number))
        changed(store, Change(incident(number), outgoing=(outgoing(number, f"{number}a"),)))
    with store.transaction() as tx:
        (sending, _) = tx.claim(NOW, "clock", LEASE, 10)
    changed(store, Change(incident(1), outgoing=(outgoing(1, "1b"), outgoing(1, "1c", after(60)))))
    with store.transaction() as tx:
        assert tx.skip_parcels(1, after(5)) == 2
        assert tx.skip_parcels(1, after(6)) == 0
    with store.read() as tx:
        found = {p.outgoing.key: p for p in (*tx.parcels(1), *tx.parcels(2))}
    assert sending.outgoing.key == "1a"
    assert found["1a"].state is found["2a"].state is OutgoingState.SENDING
    assert [(found[k].state, found[k].settled_at) for k in ("1b", "1c")] == [
        (OutgoingState.SKIPPED, after(5)),
        (OutgoingState.SKIPPED, after(5)),
    ]
    assert "merged" in found["1b"].error
    with store.transaction() as tx:
        assert [p.outgoing.key for p in tx.claim(after(120), "clock", LEASE, 10)] == ["1a", "2a"]


def test_consequences_that_outlive_their_incident_are_orphans(store: Store):
    """Those that still fire; own signals, ended ones and those of open incidents are not."""
    opened(store, incident(1), incident(2), incident(3))
    record(
        store,
        sighting(1, "own"),
        follows(1, "b"),
        follows(1, "a"),
        follows(1, "ended", firing=False),
        follows(2, "open"),
        sighting(1, "released", role=Role.RELEASED),
        follows(3, "c"),
    )
    with store.transaction() as tx:
        assert list(tx.lock_orphans(10)) == []
        assert tx.is_idle(NOW)
    changed(store, Change(resolved(1)))
    changed(store, Change(incident(3, status=Status.CLOSED, resolved_at=NOW, closed_at=NOW)))
    with store.transaction() as tx:
        assert [(s.incident, s.fingerprint) for s in tx.lock_orphans(10)] == [(1, "a"), (1, "b"), (3, "c")]
        assert [s.fingerprint for s in tx.lock_orphans(2)] == ["a", "b"]
        assert not tx.is_idle(NOW)


def test_a_released_orphan_is_left_alone(store: Store):
    """It was taken in on its own: it is kept, and nothing is due any more."""
    opened(store, resolved(1))
    record(store, follows(1))
    with store.transaction() as tx:
        tx.release(tx.lock_orphans(10))
        assert list(tx.lock_orphans(10)) == []
        assert tx.is_idle(NOW)
    assert kept(store, 1)["callback", "f1"].role is Role.RELEASED


def test_a_consequence_is_followed_to_its_incident(store: Store):
    """While it fires, and until it is released; an own signal is nobody's consequence."""
    opened(store, incident(1), resolved(2), incident(3))
    record(store, follows(1, "a"), follows(2, "b"), sighting(3, "c"), follows(3, "d", firing=False))
    with store.transaction() as tx:
        found = tx.followed(["a", "b", "c", "d", "none"])
        assert [(s.fingerprint, s.incident) for s in found] == [("a", 1), ("b", 2)]
        tx.release(tx.lock_orphans(10))
        assert [s.fingerprint for s in tx.followed(["a", "b"])] == ["a"]


def test_a_signal_is_held_by_the_latest_open_incident_that_has_it_as_its_own(store: Store):
    """Not as a consequence, and not by what is over."""
    opened(store, incident(1), resolved(2), incident(3))
    record(store, sighting(1, "a"), sighting(3, "a"), sighting(2, "b"), follows(1, "c"), sighting(1, "d"))
    with store.transaction() as tx:
        assert tx.holding(["a", "b", "c", "d", "none"]) == {"a": 3, "d": 1}


def test_consequences_are_no_signs_of_their_incident(store: Store):
    """Whether it is over is said by its own signals, and what was seen before is seen again after it."""
    opened(store, incident(1))
    record(
        store,
        follows(1, "a", occurrence="x"),
        sighting(1, "b", occurrence="y"),
        sighting(1, "c", occurrence="z", role=Role.RELEASED),
    )
    with store.transaction() as tx:
        assert tx.firing([1]) == {1: 1}
        assert set(tx.seen(["a", "b", "c"])) == {("b", "y")}


def test_gathering_waits_for_nobody_when_nobody_gathers(store: Store):
    """And may be asked for twice."""
    with store.transaction() as tx:
        tx.lock_gathering()
        tx.lock_gathering()


def test_what_is_new_of_an_incident_is_kept(store: Store):
    """Where its signals went, and what took it over."""
    record_ = resolved(1, merged_into=7, split_off={"f1": "v1:other"})
    opened(store, record_)
    with store.read() as tx:
        assert tx.get(1) == record_


def test_what_waited_for_something_is_found_while_it_fires_and_its_incident_is_open(store: Store):
    """As a cause or as a consequence; not what was released, and not what names nothing."""
    opened(store, incident(1), incident(2), resolved(3))
    says = {"details": {"waits_for": {"dag_id": "child"}}}
    record(
        store,
        sighting(1, "f1", **says),
        follows(1, "f2", **says),
        sighting(1, "f3"),
        sighting(2, "f4", firing=False, **says),
        sighting(2, "f5", role=Role.RELEASED, **says),
        sighting(3, "f6", **says),
    )
    with store.transaction() as tx:
        assert [one.fingerprint for one in tx.waiting()] == ["f1", "f2"]
