"""Every store: silences, and the signals that wait outside of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from incident_response.domain.ports import Store
from incident_response.domain.records import Held
from incident_response.domain.signals import Signal
from incident_response.domain.silences import Silence

from .records import NOW, after


def silence(id: str = "s1", ends: float = 60, **fields: Any) -> Silence:
    values = {
        "id": id, "matchers": {"service": "key.*"}, "reason": "upgrade ✓", "owner": "operator",
        "starts_at": NOW, "ends_at": after(ends), "created_at": NOW,
    }  # fmt: skip
    return Silence(**(values | fields))


def signal(thing: str = "a", source: str = "prometheus", at: datetime = NOW, **fields: Any) -> Signal:
    return Signal(source, {"alertname": "Down", "instance": thing}, f"{thing} is down", at, **fields)


def held(thing: str = "a", until: float = 60, by: str = "silence s1", **fields: Any) -> Held:
    return Held(signal(thing, **fields), after(until), by)


def hold(store: Store, *what: Held) -> None:
    with store.transaction() as tx:
        tx.hold(what)


def waiting(store: Store) -> list[Held]:
    with store.read() as tx:
        return list(tx.held(100))


def test_silences_that_last_are_told_the_next_to_end_first(store: Store):
    """With all that they were made of."""
    both = silence("late", 90), silence("soon", 60), silence("over", 0)
    with store.transaction() as tx:
        for one in both:
            tx.add_silence(one)
    with store.read() as tx:
        assert list(tx.silences(NOW)) == [both[1], both[0]]
        assert [s.id for s in tx.silences(after(60))] == ["late"]
        assert list(tx.silences(after(90))) == []


def test_a_silence_that_is_there_is_not_made_again(store: Store):
    """The first word counts."""
    with store.transaction() as tx:
        tx.add_silence(silence())
        tx.add_silence(silence(reason="another"))
        assert [s.reason for s in tx.silences(NOW)] == ["upgrade ✓"]


def test_ending_a_silence_wakes_all_that_is_muted(store: Store):
    """Whatever something else still mutes is held again when it is looked at; ends go on waiting."""
    with store.transaction() as tx:
        tx.add_silence(silence())
    hold(store, held("a"), held("b", 600, by="maintenance"), held("c", firing=False), held("d", -5))
    with store.transaction() as tx:
        assert tx.end_silence("s1", after(10))
        assert list(tx.silences(after(10))) == []
        assert [h.until for h in tx.held(10)] == [after(-5), after(10), after(10)]
        assert [h.signal.labels["instance"] for h in tx.lock_held(after(10), 10)] == ["d", "a", "b"]


@pytest.mark.parametrize("id", ["none", "over", "s1"])
def test_only_a_silence_that_lasts_can_be_ended(store: Store, id: str):
    """An unknown one, one that is over, one that was ended a moment ago: nothing wakes for it."""
    with store.transaction() as tx:
        tx.add_silence(silence("over", 0))
        tx.add_silence(silence())
        tx.end_silence("s1", after(1))
    hold(store, held("a"))
    with store.transaction() as tx:
        assert not tx.end_silence(id, after(2))
    assert [h.until for h in waiting(store)] == [after(60)]


def test_a_held_signal_comes_back_as_it_was(store: Store):
    """All its fields, and why it waits."""
    one = held("ä", occurrence="x/1", details={"log": ["a", {"b": None}]})
    hold(store, one)
    assert waiting(store) == [one]


def test_of_one_thing_the_last_word_is_held(store: Store):
    """What arrives counts, in one call or in several, whatever its sender's clock says."""
    hold(store, held(at=after(5)), held(at=after(3), until=90))
    assert waiting(store) == [held(at=after(3), until=90)]
    hold(store, held(at=after(4)))
    assert waiting(store) == [held(at=after(4))]
    hold(store, held(at=after(1), firing=False, by="v1:key"))
    assert waiting(store) == []


def test_of_one_happening_what_was_later_is_held(store: Store):
    """Whenever it is told."""
    hold(store, held(at=after(5), occurrence="x/2"), held(at=after(3), occurrence="x/1"))
    assert waiting(store) == [held(at=after(5), occurrence="x/2")]


def test_what_waits_is_found_by_its_fingerprint_and_by_its_source(store: Store):
    """Ends as well as what is muted; of a source only what is muted."""
    end, other = held("a", source="alertmanager", firing=False, by="v1:x"), held("b", source="alertmanager")
    hold(store, held("a"), end, other)
    with store.transaction() as tx:
        assert {h.signal.source for h in tx.held_of([signal("a").fingerprint])} == {
            "prometheus",
            "alertmanager",
        }
        assert list(tx.held_of([])) == []
        assert list(tx.held_from("alertmanager")) == [other]


def test_sources_are_held_apart(store: Store):
    """One row for each source and thing."""
    hold(store, held(), held(source="alertmanager"), held("b"))
    assert len(waiting(store)) == 3
    with store.transaction() as tx:
        tx.drop_held({("prometheus", signal().fingerprint), ("none", "none")})
    assert [h.signal.source for h in waiting(store)] == ["alertmanager", "prometheus"]


def test_what_no_database_can_store_is_dropped_by_the_name_it_comes_back_with(store: Store):
    """A half character in a label: held and looked at once, and not again and again for ever."""
    hold(store, held("a\x00b\udfff"))
    with store.transaction() as tx:
        (found,) = tx.lock_held(after(60), 10)
        tx.drop_held({(found.signal.source, found.signal.fingerprint)})
    assert waiting(store) == []
    with store.read() as tx:
        assert tx.is_idle(after(1000))


def test_what_is_due_is_locked_the_next_first(store: Store):
    """Ends that waited long enough are due, too: to be forgotten."""
    hold(store, held("a", 30), held("b", 10), held("c", 20, firing=False), held("d", 31))
    with store.transaction() as tx:
        due = tx.lock_held(after(30), 10)
        assert [h.signal.labels["instance"] for h in due] == ["b", "c", "a"]
        assert len(tx.lock_held(after(30), 2)) == 2
        assert list(tx.lock_held(after(9), 10)) == []


def test_muted_signals_are_told_the_next_first(store: Store):
    """Ends that wait for their beginning are no affair of people."""
    hold(store, held("a", 30), held("b", 10), held("c", firing=False))
    with store.read() as tx:
        assert [h.signal.labels["instance"] for h in tx.held(10)] == ["b", "a"]
        assert len(tx.held(1)) == 1


def test_ends_are_found_by_their_cause(store: Store):
    """A muted signal is none, even when a mute is called like a cause."""
    end = held("a", firing=False, by="v1:x")
    hold(store, end, held("b", firing=False, by="v1:y"), held("c", by="v1:x"))
    with store.transaction() as tx:
        assert list(tx.ended(["v1:x", "none"])) == [end]
        assert list(tx.ended([])) == []


def test_something_held_is_something_to_do_when_it_is_due(store: Store):
    """Not before."""
    hold(store, held("a", 30))
    with store.read() as tx:
        assert tx.is_idle(after(29))
        assert not tx.is_idle(after(30))


def test_silences_that_are_long_over_are_pruned(store: Store):
    """Held signals are not: they are looked at."""
    with store.transaction() as tx:
        tx.add_silence(silence("old", -100))
        tx.add_silence(silence("new", -10))
    hold(store, held("a", -100))
    with store.transaction() as tx:
        assert tx.prune(after(-50))["silences"] == 1
        assert [s.id for s in tx.silences(after(-200))] == ["new"]
    assert len(waiting(store)) == 1
