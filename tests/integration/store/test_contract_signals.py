"""Every store: signals are counted, never repeated."""

from __future__ import annotations

from incident_response.domain.ports import Store
from incident_response.domain.records import Role

from .records import NOW, after, incident, opened, sighting


def record(store: Store, *sightings) -> None:
    with store.transaction() as tx:
        tx.record(sightings)


def kept(store: Store, number: int = 1):
    with store.read() as tx:
        return tx.sightings(number)


def test_a_signal_is_kept_as_it_came(store: Store):
    """All its fields."""
    opened(store, incident(1))
    first = sighting(1, details={"log": ["a", {"b": None}]}, occurrence="sales/1", count=2, firing=False)
    record(store, first, sighting(1, "f2", first_at=after(-1)))
    assert kept(store) == [sighting(1, "f2", first_at=after(-1)), first]


def test_repeats_are_counted(store: Store):
    """By what is handed in; the times span all of them, the words are those of the latest."""
    opened(store, incident(1))
    record(store, sighting(1, count=2))
    record(
        store, sighting(1, count=3, summary="again", last_at=after(9), first_at=after(-9), details={"n": 1})
    )
    (found,) = kept(store)
    assert (found.count, found.first_at, found.last_at) == (5, after(-9), after(9))
    assert (found.summary, found.details) == ("again", {"n": 1})


def test_what_arrives_is_the_last_word(store: Store):
    """Whatever a clock says; the times span all of it."""
    opened(store, incident(1))
    record(store, sighting(1, firing=False, last_at=after(9), summary="ended"))
    record(store, sighting(1, first_at=after(2), last_at=after(2), summary="back"))
    (found,) = kept(store)
    assert (found.firing, found.summary, found.last_at) == (True, "back", after(9))


def test_what_is_moved_has_the_last_word_when_it_was_told_later(store: Store):
    """Two incidents that become one: what each of them knew has its time."""
    opened(store, incident(1), incident(2), incident(3))
    record(store, sighting(1, last_at=after(9), summary="new", firing=False), sighting(2, summary="old"))
    with store.transaction() as tx:
        tx.lock([1, 2, 3])
        tx.move_signals(2, 1, Role.OWN)
        assert [s.summary for s in tx.told_of(1, ["f1"])] == ["new"]
        assert list(tx.told_of(1, ["none"])) == []
        assert set(tx.known(["f1", "none"])) == {"f1"}


def test_an_older_happening_counts_but_says_nothing(store: Store):
    """What happened later is the present state, whenever it arrives."""
    opened(store, incident(1))
    record(store, sighting(1, firing=False, last_at=after(9), summary="new", occurrence="b"))
    record(
        store, sighting(1, firing=True, first_at=after(2), last_at=after(2), summary="old", occurrence="a")
    )
    (found,) = kept(store)
    assert (found.count, found.firing, found.summary, found.occurrence) == (2, False, "new", "b")
    assert (found.first_at, found.last_at) == (NOW, after(9))


def test_the_same_occurrence_does_not_count_twice(store: Store):
    """A callback and a scan that tell of the same failed try are one happening."""
    opened(store, incident(1))
    record(store, sighting(1, occurrence="sales/1/load/1"))
    record(store, sighting(1, occurrence="sales/1/load/1"))
    assert kept(store)[0].count == 1
    record(store, sighting(1, occurrence="sales/1/load/2"))
    assert kept(store)[0].count == 2


def test_without_an_occurrence_every_signal_counts(store: Store):
    """Two empty ones are not the same one."""
    opened(store, incident(1))
    for _ in range(3):
        record(store, sighting(1))
    assert kept(store)[0].count == 3


def test_sources_are_counted_apart(store: Store):
    """One row for each source and fingerprint of an incident; the limit takes the oldest."""
    opened(store, incident(1), incident(2))
    record(store, sighting(1), sighting(1, source="scan"), sighting(1, "f2"), sighting(2))
    assert [(s.source, s.fingerprint) for s in kept(store)] == [
        ("callback", "f1"),
        ("callback", "f2"),
        ("scan", "f1"),
    ]
    with store.read() as tx:
        assert len(tx.sightings(1, 2)) == 2


def test_occurrences_that_were_seen_are_found_by_fingerprint(store: Store):
    """In any incident; those without an occurrence are not."""
    opened(store, incident(1), incident(2))
    record(
        store,
        sighting(1, occurrence="a"),
        sighting(2, source="scan", occurrence="b"),
        sighting(2, "f2", occurrence="c"),
        sighting(2, "f3"),
    )
    with store.transaction() as tx:
        assert set(tx.seen(["f1", "f3", "none"])) == {("f1", "a"), ("f1", "b")}


def test_what_fires_is_counted_by_incident(store: Store):
    """An incident without signals has 0."""
    opened(store, incident(1), incident(2), incident(3))
    record(store, sighting(1), sighting(1, "f2"), sighting(1, "f3", firing=False), sighting(2, firing=False))
    with store.transaction() as tx:
        assert tx.firing([1, 2, 3]) == {1: 2, 2: 0, 3: 0}


def test_the_latest_source_says_whether_a_thing_fires(store: Store):
    """The scan that saw it well again outweighs the callback that saw it fail; at one moment firing wins."""
    opened(store, incident(1))
    record(store, sighting(1), sighting(1, source="scan", firing=False, last_at=after(5)))
    record(store, sighting(1, "f2"), sighting(1, "f2", source="scan", firing=False))
    with store.transaction() as tx:
        assert tx.firing([1]) == {1: 1}
