"""Every store: incidents and what commands do to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.changes import Change
from incident_response.domain.errors import IllegalTransition, IncidentNotFound, NaiveTime
from incident_response.domain.incidents import Status
from incident_response.domain.ports import Store
from incident_response.domain.records import Role, Sighting
from incident_response.domain.runbooks import RemediationState

from .records import (
    NOW,
    after,
    changed,
    event,
    firing,
    full,
    incident,
    opened,
    outgoing,
    remediation,
    resolved,
    sighting,
)


def test_numbers_are_never_given_twice(store: Store):
    """Also not when they are asked for in several transactions."""
    with store.transaction() as tx:
        first = [*tx.allocate(3), *tx.allocate(1)]
    with store.transaction() as tx:
        second = list(tx.allocate(2))
    assert len({*first, *second}) == 6
    assert max(first) < min(second)


def test_an_incident_comes_back_as_it_was_written(store: Store):
    """Every field, with its type, its microseconds and its zone."""
    opened(store, full(1), incident(2))
    with store.read() as tx:
        assert tx.get(1) == full(1)
        assert tx.get(2) == incident(2)
        assert tx.get(1).opened_at.utcoffset() == timedelta()


def test_times_of_another_zone_come_back_in_utc(store: Store):
    """The moment is kept, the zone is not."""
    there = timezone(timedelta(hours=5, minutes=30))
    opened(store, incident(1, opened_at=NOW.astimezone(there)))
    with store.read() as tx:
        assert tx.get(1).opened_at.isoformat() == NOW.isoformat()


def test_a_naive_time_is_refused(store: Store):
    """Before anything is written."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(NaiveTime), store.transaction() as tx:
        tx.insert([Change(incident(1, opened_at=naive))])
    with pytest.raises(IncidentNotFound), store.read() as tx:
        tx.get(1)


def test_what_no_database_stores_is_replaced(store: Store):
    """A NUL, half a surrogate pair or a NaN is no reason to lose an incident."""
    opened(store, incident(1, title="a\x00b\ud800c", labels={"x\x00": "\udc80"}))
    changed(store, Change(incident(1), events=(event("e\x00", number=float("nan"), moment=NOW),)))
    with store.read() as tx:
        (told,) = tx.timeline(1)
    assert told.text == "e\N{REPLACEMENT CHARACTER}"
    assert told.data == {"number": "nan", "moment": str(NOW)}


def test_a_missing_incident_is_named(store: Store):
    """get() raises, lock() leaves it out."""
    with store.transaction() as tx:
        assert tx.lock([7]) == {}
        with pytest.raises(IncidentNotFound, match="INC-7"):
            tx.get(7)


def test_lock_finds_by_number(store: Store):
    """Those that exist."""
    opened(store, incident(1), incident(2), incident(3))
    with store.transaction() as tx:
        assert tx.lock([3, 1, 9]) == {1: incident(1), 3: incident(3)}


def test_a_second_open_incident_of_a_cause_is_not_written(store: Store):
    """Neither it nor anything that comes with it; other causes of the same call are."""
    opened(store, incident(1, "cause"))
    loser = Change(
        incident(2, "cause"),
        events=(event(),),
        outgoing=(outgoing(2, "k2"),),
        firings=(firing(2),),
        remediations=(remediation(2),),
    )
    other = Change(incident(3, "other"), events=(event(),), outgoing=(outgoing(3, "k3"),))
    with store.transaction() as tx:
        assert set(tx.insert([loser, other])) == {3}
        assert tx.lock_current(["cause"], NOW)["cause"].number == 1
    with store.read() as tx:
        assert (tx.timeline(2), tx.parcels(2), tx.firings(2), tx.remediations(2)) == ([], [], [], [])
        assert len(tx.timeline(3)) == len(tx.parcels(3)) == 1


def test_twins_in_one_call_give_one_incident(store: Store):
    """Two changes of one insert that share a cause."""
    with store.transaction() as tx:
        assert len(tx.insert([Change(incident(1, "cause")), Change(incident(2, "cause"))])) == 1


def test_nothing_is_written_for_nothing(store: Store):
    """Empty calls are allowed everywhere."""
    with store.transaction() as tx:
        assert not tx.insert([])
        tx.save([])
        tx.record([])
        tx.settle([], NOW)
        tx.add_events(1, [])
        assert tx.lock([]) == tx.lock_current([], NOW) == tx.firing([]) == {}
        assert not tx.seen([])


def test_the_open_incident_goes_before_resolved_ones(store: Store):
    """Then the latest resolved one within the window; closed ones never."""
    opened(store, incident(1, "open"), resolved(2, "open", after(50)))
    opened(
        store, resolved(3, "past", after(10)), resolved(4, "past", after(20)), resolved(5, "old", after(-1))
    )
    opened(
        store,
        resolved(6, "closed").evolve(status=Status.CLOSED, closed_at=after(5)),
        resolved(7, "edge", NOW),
    )
    with store.transaction() as tx:
        found = tx.lock_current(["open", "past", "old", "closed", "edge", "none"], NOW)
    assert {key: i.number for key, i in found.items()} == {"open": 1, "past": 4, "edge": 7}


def test_a_new_incident_may_follow_a_resolved_one(store: Store):
    """Only open ones are unique."""
    opened(store, resolved(1, "cause"), resolved(2, "cause"), incident(3, "cause"))


def test_reopening_beside_an_open_incident_is_refused(store: Store):
    """The rule of one open incident per cause holds for changes, too."""
    opened(store, resolved(1, "cause"), incident(2, "cause"))
    with pytest.raises(IllegalTransition, match="INC-1"), store.transaction() as tx:
        tx.save([Change(incident(1, "cause"))])
    with store.read() as tx:
        assert tx.get(1).status is Status.RESOLVED


def test_due_incidents_come_most_overdue_first(store: Store):
    """Due now counts as due; the limit takes the most overdue."""
    opened(
        store,
        incident(1, page_at=after(-5)),
        incident(2, page_at=after(3), escalate_at=after(-9)),
        incident(3, page_at=NOW),
        incident(4, page_at=after(1)),
        incident(5),
        resolved(6, close_at=after(-7)),
    )
    with store.transaction() as tx:
        assert [i.number for i in tx.lock_due(NOW, 10)] == [2, 6, 1, 3]
        assert [i.number for i in tx.lock_due(NOW, 2)] == [2, 6]


def test_a_change_is_saved_with_all_that_comes_with_it(store: Store):
    """Record, facts, messages, timers that fired, remediations."""
    opened(store, incident(1, page_at=NOW), incident(2))
    after_it = incident(1, status=Status.ACKNOWLEDGED, owner="operator", escalate_at=after(60))
    change = Change(
        after_it,
        events=(event("one"), event("two")),
        outgoing=(outgoing(1, "k1", after(5), level=1),),
        firings=(firing(1),),
        remediations=(remediation(1),),
    )
    with store.transaction() as tx:
        tx.save([change, Change(incident(2, level=2))])
    with store.read() as tx:
        assert tx.get(1) == after_it
        assert tx.get(2).level == 2
        assert [e.text for e in tx.timeline(1)] == ["one", "two"]
        assert [p.outgoing for p in tx.parcels(1)] == [outgoing(1, "k1", after(5), level=1)]
        assert tx.parcels(1)[0].created_at == NOW
        assert tx.firings(1) == [firing(1)]
        assert tx.remediations(1) == [remediation(1)]


def test_a_change_moves_the_due_point(store: Store):
    """The clock sees what the record says now."""
    opened(store, incident(1, page_at=NOW))
    changed(store, Change(incident(1, page_at=after(60))))
    with store.transaction() as tx:
        assert not tx.lock_due(NOW, 10)
        assert len(tx.lock_due(after(60), 10)) == 1
    changed(store, Change(incident(1)))
    with store.transaction() as tx:
        assert not tx.lock_due(after(1e9), 10)


def test_a_timer_fires_once(store: Store):
    """The first record of a firing stays."""
    opened(store, incident(1))
    changed(store, Change(incident(1), firings=(firing(1), firing(1, due_at=after(5)))))
    changed(store, Change(incident(1), firings=(firing(1),)))
    with store.read() as tx:
        assert tx.firings(1) == [firing(1), firing(1, due_at=after(5))]


def test_a_remediation_is_updated_by_its_attempt(store: Store):
    """A second write of an attempt replaces the first, another attempt stands beside it."""
    opened(store, incident(1))
    changed(store, Change(incident(1), remediations=(remediation(1), remediation(1, 2))))
    done = remediation(1, state=RemediationState.FAILED, reason="no", started_at=after(1), ended_at=after(2))
    changed(store, Change(incident(1), remediations=(remediation(1, state=RemediationState.RUNNING), done)))
    with store.read() as tx:
        assert tx.remediations(1) == [done, remediation(1, 2)]


def test_the_history_of_a_target_goes_across_incidents(store: Store):
    """Newest first, of one runbook and one target; those that have not ended count however old they are."""
    opened(store, incident(1), incident(2))
    past = remediation(1, requested_at=after(-90), ended_at=after(-60), state=RemediationState.FAILED)
    old = remediation(1, 2, requested_at=after(-900), ended_at=after(-800), state=RemediationState.FAILED)
    stuck = remediation(1, 3, requested_at=after(-950), state=RemediationState.RUNNING)
    elsewhere = remediation(1, 4, target="dag:other")
    another = remediation(1, 5, runbook="clear")
    changed(store, Change(incident(1), remediations=(past, old, stuck, elsewhere, another)))
    changed(store, Change(incident(2), remediations=(remediation(2),)))
    with store.transaction() as tx:
        assert tx.remediation_history("restart", "dag:sales", after(-100)) == [remediation(2), past, stuck]
    with store.read() as tx:
        assert tx.remediation_history("restart", "dag:sales", NOW) == [remediation(2), stuck]


def test_the_timeline_is_in_the_order_of_time(store: Store):
    """Oldest first, the latest ones when there is a limit; at one moment in the order of writing."""
    opened(store, incident(1))
    with store.transaction() as tx:
        tx.add_events(1, [event("b", after(5)), event("a"), event("c", after(5))])
        tx.add_events(1, [event("d", after(9))])
    with store.read() as tx:
        assert [e.text for e in tx.timeline(1)] == ["a", "b", "c", "d"]
        assert [e.text for e in tx.timeline(1, 2)] == ["c", "d"]
        assert tx.timeline(2) == []


def test_recent_incidents_are_the_resolved_and_closed_ones(store: Store):
    """Latest first."""
    closed = resolved(3, at=after(3)).evolve(status=Status.CLOSED, closed_at=after(4))
    opened(store, incident(1), resolved(2, at=after(2)), closed, resolved(4, at=after(-1)))
    with store.read() as tx:
        assert [i.number for i in tx.recent(NOW, 10)] == [3, 2]
        assert [i.number for i in tx.recent(NOW, 1)] == [3]


def test_the_board_shows_open_incidents_with_what_matters(store: Store):
    """Next due first, those without a due point last."""
    opened(store, incident(1), incident(2, page_at=after(9)), incident(3, page_at=after(5)), resolved(4))
    changed(
        store,
        Change(incident(2, page_at=after(9)), remediations=(remediation(2), remediation(2, 2))),
    )
    with store.transaction() as tx:
        tx.record([sighting(2, count=3, last_at=after(8)), sighting(2, "f2"), sighting(3, source="person")])
        tx.add_events(2, [event("late", after(5)), event("early")])
    with store.read() as tx:
        rows = tx.board(10)
        assert [row.incident.number for row in tx.board(2)] == [3, 2]
    assert [row.incident.number for row in rows] == [3, 2, 1]
    third, second, first = rows
    assert (second.signals, second.sources, second.last_signal_at) == (4, 2, after(8))
    assert second.last_event == event("late", after(5))
    assert second.remediation == remediation(2, 2)
    assert (third.signals, third.sources, third.last_event, third.remediation) == (1, 1, None, None)
    assert (first.signals, first.sources, first.last_signal_at) == (0, 0, None)


def test_the_board_counts_the_services_behind_an_incident(store: Store):
    """Each once, as its labels call it, while it fires; an incident's own signals are not behind it."""
    opened(store, incident(1), incident(2))

    def behind(fingerprint: str, labels: dict[str, str], **fields: Any) -> Sighting:
        return sighting(1, fingerprint, labels=labels, role=Role.CONSEQUENCE, **fields)

    with store.transaction() as tx:
        tx.record(
            [sighting(1, "own", labels={"service": "db"}), sighting(2, "own", labels={"service": "api"})]
        )
        tx.record(
            [
                behind("a1", {"alertname": "Down", "service": "api", "job": "x"}),
                behind("a2", {"alertname": "Slow", "service": "api", "job": "y"}),
                behind("b", {"alertname": "Down", "service": "", "container": 'it\'s "odd" ✓'}),
                behind("c", {"alertname": "Failed", "dag_id": "sales"}),
                behind("d", {"alertname": "Nameless"}),
                behind("e", {"alertname": "Down", "service": "over"}, firing=False),
                sighting(1, "f", labels={"service": "released"}, role=Role.RELEASED),
            ]
        )
    with store.read() as tx:
        assert {row.incident.number: row.behind for row in tx.board(10)} == {1: 4, 2: 0}


def test_an_exception_leaves_nothing(store: Store):
    """Whatever was written in the block is gone, and the store goes on."""

    def fail() -> None:
        with store.transaction() as tx:
            tx.insert([Change(incident(1), events=(event(),), outgoing=(outgoing(1, "k"),))])
            tx.record([sighting(1)])
            tx.keep_policy("d", "text", NOW)
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        fail()
    with store.transaction() as tx:
        assert tx.totals(NOW) == {
            "open": 0, "unacknowledged": 0, "overdue": 0, "outbox_pending": 0, "outbox_failed": 0,
        }  # fmt: skip
        assert (tx.timeline(1), tx.parcels(1), tx.sightings(1), tx.latest_policy()) == ([], [], [], None)
        assert set(tx.insert([Change(incident(1))])) == {1}


def test_many_at_once_open_one_incident_per_cause(store: Store):
    """The loser of the race finds the winner's incident and works on that."""

    def take(worker: int) -> int:
        with store.transaction() as tx:
            current = tx.lock_current(["cause"], NOW)
            if not current:
                (number,) = tx.allocate(1)
                if tx.insert([Change(incident(number, "cause"), events=(event(str(worker)),))]):
                    return number
                current = tx.lock_current(["cause"], NOW)
            found = current["cause"]
            tx.save([Change(found.evolve(pages=found.pages + 1))])
            return found.number

    with ThreadPoolExecutor(6) as pool:
        numbers = set(pool.map(take, range(24)))
    assert len(numbers) == 1
    with store.read() as tx:
        found = tx.get(numbers.pop())
        assert found.pages == 23, "each transaction saw what the one before had written"
        assert len(tx.timeline(found.number)) == 1
        assert tx.totals(NOW)["open"] == 1


def test_a_reader_does_not_see_what_is_not_committed(store: Store):
    """And does not wait for it either."""
    with store.transaction() as tx:
        tx.insert([Change(incident(1))])
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: _count(store)).result(timeout=4) == 0
    assert _count(store) == 1


def _count(store: Store) -> int:
    with store.read() as tx:
        return tx.totals(NOW)["open"]
