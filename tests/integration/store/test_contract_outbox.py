"""Every store: messages are written once, claimed by one, and settled; effects have keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from incident_response.domain.changes import Change
from incident_response.domain.ports import Store
from incident_response.domain.records import OutgoingState, Parcel, Settlement

from .records import LEASE, NOW, after, changed, event, incident, opened, outgoing


def send(store: Store, *messages) -> None:
    changed(store, Change(incident(1), outgoing=messages))


def claim(store: Store, now=NOW, limit: int = 10) -> list[Parcel]:
    with store.transaction() as tx:
        return list(tx.claim(now, "clock@here:1", LEASE, limit))


def settle(store: Store, parcel: Parcel, state: OutgoingState, retry_at=None, error: str = "") -> None:
    with store.transaction() as tx:
        tx.settle([Settlement(parcel.id, state, error, retry_at)], after(1))


def parcels(store: Store) -> list[Parcel]:
    with store.read() as tx:
        return list(tx.parcels(1))


@pytest.fixture(autouse=True)
def an_incident(store: Store):
    opened(store, incident(1))


def test_a_key_is_written_once(store: Store):
    """The first message of a key stays, also when it was delivered long ago."""
    send(store, outgoing(1, "k", n=1), outgoing(1, "k", n=2))
    settle(store, claim(store)[0], OutgoingState.DELIVERED)
    send(store, outgoing(1, "k", n=3), outgoing(1, "other"))
    assert [(p.outgoing.key, dict(p.outgoing.data)) for p in parcels(store)] == [
        ("k", {"n": 1}),
        ("other", {}),
    ]
    assert [p.outgoing.key for p in claim(store)] == ["other"]


def test_a_message_remembers_when_it_was_written(store: Store):
    """With the latest fact of its change; else when it is due."""
    changed(store, Change(incident(1), events=(event(at=after(3)),), outgoing=(outgoing(1, "a", after(60)),)))
    send(store, outgoing(1, "b", after(60)))
    assert [p.created_at for p in parcels(store)] == [after(3), after(60)]


def test_due_messages_are_claimed_in_order(store: Store):
    """Only the due ones, at most `limit`; each attempt is counted."""
    send(store, outgoing(1, "c", after(1)), outgoing(1, "b"), outgoing(1, "a", after(-1)), outgoing(1, "d"))
    (first, second) = claim(store, limit=2)
    assert (first.outgoing.key, second.outgoing.key) == ("a", "b")
    assert (first.state, first.attempts, first.interrupted) == (OutgoingState.SENDING, 1, False)
    assert [p.outgoing.key for p in claim(store)] == ["d"]
    assert claim(store) == []


def test_a_claim_holds_for_its_lease(store: Store):
    """After that the message is taken again, marked as interrupted, and stays so marked."""
    send(store, outgoing(1, "k"))
    claim(store)
    assert claim(store, after(59)) == []
    (again,) = claim(store, after(60))
    assert (again.attempts, again.interrupted) == (2, True)
    settle(store, again, OutgoingState.PENDING, after(70))
    (third,) = claim(store, after(70))
    assert (third.attempts, third.interrupted) == (3, True)


@pytest.mark.parametrize(
    "state", [OutgoingState.DELIVERED, OutgoingState.FAILED, OutgoingState.UNKNOWN, OutgoingState.SKIPPED]
)
def test_what_is_settled_is_never_claimed_again(store: Store, state: OutgoingState):
    """The row says how it ended, and when."""
    send(store, outgoing(1, "k"))
    settle(store, claim(store)[0], state, error="why\x00")
    (parcel,) = parcels(store)
    assert (parcel.state, parcel.settled_at, parcel.error) == (
        state,
        after(1),
        "why\N{REPLACEMENT CHARACTER}",
    )
    assert claim(store, after(1e6)) == []


def test_a_message_waits_for_its_next_attempt(store: Store):
    """Pending with a time: due then, and not before."""
    send(store, outgoing(1, "k"))
    settle(store, claim(store)[0], OutgoingState.PENDING, after(30), "busy")
    assert claim(store, after(29)) == []
    (parcel,) = parcels(store)
    assert (parcel.state, parcel.outgoing.due_at, parcel.settled_at) == (
        OutgoingState.PENDING,
        after(30),
        None,
    )
    assert claim(store, after(30))[0].attempts == 2


def test_who_comes_late_does_not_undo_a_settlement(store: Store):
    """Its claim ran out, another one delivered, and then it reports a failure."""
    send(store, outgoing(1, "k"))
    (slow,), (fast,) = claim(store), claim(store, after(60))
    settle(store, fast, OutgoingState.DELIVERED)
    settle(store, slow, OutgoingState.PENDING, after(90))
    assert parcels(store)[0].state is OutgoingState.DELIVERED


def test_several_are_settled_at_once(store: Store):
    """Each in its own way."""
    send(store, outgoing(1, "a"), outgoing(1, "b"), outgoing(1, "c"))
    a, b, c = claim(store)
    with store.transaction() as tx:
        tx.settle(
            [
                Settlement(a.id, OutgoingState.DELIVERED),
                Settlement(b.id, OutgoingState.PENDING, "busy", after(9)),
                Settlement(c.id, OutgoingState.FAILED, "gone"),
            ],
            NOW,
        )
    assert [p.state.value for p in parcels(store)] == ["delivered", "pending", "failed"]
    assert [p.outgoing.due_at for p in parcels(store)] == [NOW, after(9), NOW]


def test_claimers_never_share_a_message(store: Store):
    """Many at once take each message exactly once."""
    send(store, *(outgoing(1, f"k{n}") for n in range(40)))
    with ThreadPoolExecutor(4) as pool:
        rounds = list(pool.map(lambda _: claim(store, limit=5), range(12)))
    taken = [parcel.id for parcels in rounds for parcel in parcels] + [p.id for p in claim(store, limit=40)]
    assert sorted(taken) == sorted(p.id for p in parcels(store))


def test_an_effect_is_begun_once(store: Store):
    """The key is written before the effect is tried; whoever finds it learns how far it came."""
    with store.transaction() as tx:
        assert tx.begin_effect("INC-1:1:clear", 1, "operator", NOW) is None
        assert tx.begin_effect("INC-1:1:restart", 1, "operator", NOW) is None
    with store.transaction() as tx:
        assert tx.begin_effect("INC-1:1:clear", 1, "developer", after(1)) == "begun"
        tx.end_effect("INC-1:1:clear", after(2), {"cleared": ["load"]})
        tx.end_effect("never begun", after(2), {})
    with store.transaction() as tx:
        assert tx.begin_effect("INC-1:1:clear", 1, "developer", after(3)) == "done"
        assert tx.begin_effect("INC-1:1:restart", 1, "developer", after(3)) == "begun"
        assert tx.begin_effect("never begun", 1, "developer", after(3)) is None


def test_many_at_once_begin_an_effect_once(store: Store):
    """Exactly one of them may try."""

    def begin(_: int) -> str | None:
        with store.transaction() as tx:
            return tx.begin_effect("key", 1, "operator", NOW)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(begin, range(12)))
    assert sorted(answers, key=str) == [None, *["begun"] * 11]
