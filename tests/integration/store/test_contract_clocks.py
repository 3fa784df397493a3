"""Every store: polls, signs of life, policies, counts and housekeeping."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from incident_response.domain.changes import Change
from incident_response.domain.errors import BadInput, IncidentNotFound
from incident_response.domain.incidents import Status
from incident_response.domain.ports import Store
from incident_response.domain.records import Heartbeat, OutgoingState, Poll, Settlement

from .records import (
    LEASE,
    NOW,
    after,
    changed,
    event,
    firing,
    incident,
    opened,
    outgoing,
    remediation,
    resolved,
    sighting,
)

MINUTE = timedelta(minutes=1)


def ensure(store: Store, now=NOW, **intervals: timedelta) -> None:
    with store.transaction() as tx:
        tx.ensure_polls(intervals, now)


def polls(store: Store) -> list[Poll]:
    with store.read() as tx:
        return list(tx.polls())


def claim(store: Store, now=NOW, by: str = "sensor", names=None) -> list[str]:
    with store.transaction() as tx:
        return [poll.name for poll in tx.claim_polls(now, by, LEASE, names)]


def test_detectors_get_a_row_each(store: Store):
    """Due at once; asking again changes nothing; those that are gone go; a new interval is taken over."""
    ensure(store, b=MINUTE, a=MINUTE)
    assert polls(store) == [Poll("a", NOW, MINUTE), Poll("b", NOW, MINUTE)]
    ensure(store, after(9), a=MINUTE, b=MINUTE * 2, c=MINUTE)
    assert polls(store) == [Poll("a", NOW, MINUTE), Poll("b", NOW, MINUTE * 2), Poll("c", after(9), MINUTE)]
    ensure(store, after(9))
    assert polls(store) == []


def test_a_shorter_interval_is_looked_at_now(store: Store):
    """It does not wait for the end of the old, longer one."""
    ensure(store, a=timedelta(days=1))
    claim(store)
    with store.transaction() as tx:
        tx.finish_poll("a", NOW, None, "")
    ensure(store, after(5), a=MINUTE)
    assert polls(store)[0].due_at == after(5)


def test_a_due_poll_is_claimed_by_one(store: Store):
    """For its lease; by name when names are given."""
    ensure(store, a=MINUTE, b=MINUTE)
    with store.transaction() as tx:
        (poll,) = tx.claim_polls(NOW, "sensor", LEASE, ["b", "other"])
    assert poll == Poll("b", NOW, MINUTE, {}, "sensor", after(60), NOW, None, "sensor")
    assert polls(store)[1] == poll
    assert claim(store, after(59), "clock") == ["a"]
    assert claim(store, after(60), "clock", []) == []
    assert claim(store, after(60), "clock") == ["b"]


def test_many_at_once_claim_a_poll_once(store: Store):
    """Exactly one of them looks."""
    ensure(store, a=MINUTE)
    with ThreadPoolExecutor(4) as pool:
        taken = [name for names in pool.map(lambda n: claim(store, by=str(n)), range(12)) for name in names]
    assert taken == ["a"]


def test_a_poll_that_went_well_is_due_after_its_interval(store: Store):
    """Its cursor is kept, its failures are forgotten."""
    ensure(store, a=MINUTE)
    claim(store)
    with store.transaction() as tx:
        tx.finish_poll("a", after(5), None, "it is away")
        tx.finish_poll("a", after(6), {"page": [1]}, "still")
    (poll,) = polls(store)
    assert (poll.failures, poll.error, poll.last_ok_at, poll.cursor) == (2, "still", None, {"page": [1]})
    with store.transaction() as tx:
        tx.finish_poll("a", after(7), None, "")
        tx.finish_poll("gone meanwhile", after(7), None, "")
    (poll,) = polls(store)
    assert poll == Poll("a", after(67), MINUTE, {"page": [1]}, "", None, NOW, after(7), "sensor")


def test_signs_of_life_are_kept_by_name(store: Store):
    """The latest of each, latest first."""
    one, two = Heartbeat("clock@a:1", NOW, after(-9), {"spooled": 3}), Heartbeat("clock@b:1", after(5), NOW)
    with store.transaction() as tx:
        for beat in (one, two, replace(one, at=after(9)), Heartbeat("clock@c:1", after(-1), NOW)):
            tx.beat(beat)
    with store.read() as tx:
        assert tx.heartbeats(NOW) == [replace(one, at=after(9)), two]


def test_a_policy_is_kept_under_its_digest(store: Store):
    """The first text of a digest stays; the latest one is known; an unknown one is named."""
    with store.transaction() as tx:
        assert tx.latest_policy() is None
        tx.keep_policy("d1", "levels: ä", NOW)
        tx.keep_policy("d2", "two", after(1))
        tx.keep_policy("d1", "changed", after(2))
    with store.read() as tx:
        assert tx.policy_source("d1") == "levels: ä"
        assert tx.latest_policy() == "two"
        with pytest.raises(BadInput, match="d9"):
            tx.policy_source("d9")


def test_totals_count_what_needs_somebody(store: Store):
    """Overdue only after some seconds of grace."""
    opened(
        store,
        incident(1, page_at=after(-16)),
        incident(2, page_at=after(-14), status=Status.ACKNOWLEDGED),
        resolved(3),
    )
    changed(
        store, Change(incident(1, page_at=after(-16)), outgoing=tuple(outgoing(1, key) for key in "abcd"))
    )
    with store.transaction() as tx:
        a, b, *_ = tx.claim(NOW, "clock", LEASE, 3)
        tx.settle([Settlement(a.id, OutgoingState.FAILED), Settlement(b.id, OutgoingState.DELIVERED)], NOW)
    with store.read() as tx:
        assert tx.totals(NOW) == {
            "open": 2, "unacknowledged": 1, "overdue": 1, "outbox_pending": 2, "outbox_failed": 1,
        }  # fmt: skip


def idle(store: Store, now=NOW) -> bool:
    with store.read() as tx:
        return tx.is_idle(now)


def test_idle_means_that_nothing_is_due(store: Store):
    """No timer, no message, no claim that ran out, no poll."""
    assert idle(store)
    opened(store, incident(1, page_at=after(10)))
    assert idle(store, after(9))
    assert not idle(store, after(10))
    changed(store, Change(incident(1), outgoing=(outgoing(1, "k", after(20)),)))
    assert idle(store, after(19))
    assert not idle(store, after(20))
    with store.transaction() as tx:
        (parcel,) = tx.claim(after(20), "clock", LEASE, 1)
    assert idle(store, after(79))
    assert not idle(store, after(80))
    with store.transaction() as tx:
        tx.settle([Settlement(parcel.id, OutgoingState.DELIVERED)], after(21))
    assert idle(store, after(1e6))
    ensure(store, after(90), a=MINUTE)
    assert not idle(store, after(90))
    claim(store, after(90))
    assert idle(store, after(149))
    assert not idle(store, after(150))


def test_what_is_old_enough_goes(store: Store):
    """Closed incidents with all that is theirs; open and merely resolved ones stay, whatever their age."""
    old = resolved(1).evolve(status=Status.CLOSED, closed_at=after(5))
    opened(
        store, old, resolved(2), incident(3), resolved(4).evolve(status=Status.CLOSED, closed_at=after(99))
    )
    for number in (1, 3):
        record = old if number == 1 else incident(3)
        change = Change(record, (event(),), (outgoing(number, f"k{number}"),), (firing(number),))
        changed(store, change.remediation(remediation(number)))
    with store.transaction() as tx:
        tx.record([sighting(1), sighting(3)])
        tx.begin_effect("e1", 1, "operator", NOW)
        parcels = {p.outgoing.incident: p.id for p in tx.claim(NOW, "clock", LEASE, 10)}
        tx.settle([Settlement(parcels[3], OutgoingState.DELIVERED)], NOW)
        tx.beat(Heartbeat("clock@a:1", NOW, NOW))
    with store.transaction() as tx:
        assert tx.prune(after(50)) == {
            "incidents": 1,
            "outbox": 1,
            "firings": 2,
            "silences": 0,
            "heartbeats": 1,
        }
    with store.transaction() as tx:
        with pytest.raises(IncidentNotFound):
            tx.get(1)
        assert [i.number for i in tx.recent(after(-1e6), 10)] == [4, 2]
        assert (tx.timeline(1), tx.sightings(1), tx.parcels(1), tx.remediations(1)) == ([], [], [], [])
        assert (len(tx.timeline(3)), len(tx.sightings(3)), len(tx.remediations(3))) == (1, 1, 1)
        assert (tx.parcels(3), tx.firings(3), tx.heartbeats(after(-1e6))) == ([], [], [])
        assert tx.seen(["f1"]) == set()
        assert tx.begin_effect("e1", 3, "operator", NOW) is None
