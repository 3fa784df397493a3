"""Every store: what has to be gathered is not forgotten, and gathering waits for those who take in."""

from __future__ import annotations

import threading
from contextlib import suppress

from incident_response.domain.ports import Store
from incident_response.store.sql_store import SqlStore

from .records import NOW, after, incident, opened


def test_what_is_owed_is_known_until_it_is_gathered(store: Store) -> None:
    """All that was opened together, by any process; not what is owed since a moment only."""
    opened(store, incident(1), incident(2), incident(3))
    with store.transaction() as tx:
        tx.owe_gathering([1, 2], NOW)
        tx.owe_gathering([3], after(9))
    with store.read() as tx:
        assert set(tx.owed(NOW)) == set()
        assert set(tx.owed(after(1))) == {1, 2}
        assert set(tx.owed(after(10))) == {1, 2, 3}
    with store.transaction() as tx:
        tx.gathered([1, 2])
    with store.read() as tx:
        assert set(tx.owed(after(10))) == {3}


def test_known_effects_are_found_all_at_once(store: Store) -> None:
    """Those asked for that are there, and no others."""
    opened(store, incident(1))
    with store.transaction() as tx:
        for key in ("a", "b"):
            tx.begin_effect(key, 1, "x", NOW)
    with store.read() as tx:
        assert set(tx.begun(["b", "c"])) == {"b"}


def test_gathering_waits_until_nobody_takes_signals_in(postgres_store: SqlStore) -> None:
    """Two take signals in side by side; a third one that gathers waits for both."""
    order: list[str] = []
    gathers = threading.Thread(target=_gather, args=(postgres_store, order))
    with postgres_store.transaction() as one:
        one.bar_gathering()
        one.lock([])
        with postgres_store.transaction() as other:
            other.bar_gathering()
            other.lock([])  # did not wait
            gathers.start()
            gathers.join(0.3)
            order.append("taken in")
    gathers.join(5)
    assert order == ["taken in", "gathered"]


def _gather(store: SqlStore, order: list[str]) -> None:
    with suppress(Exception), store.transaction() as tx:
        tx.lock_gathering()
        order.append("gathered")
