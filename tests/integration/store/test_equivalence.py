"""Whatever is asked in whatever order, the store in memory and the one in a database answer the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_response.domain.changes import Change
from incident_response.domain.errors import IllegalTransition
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.ports import Store
from incident_response.domain.records import (
    Held,
    Integration,
    IntegrationKind,
    OutgoingState,
    Parcel,
    Role,
    Settlement,
)
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.severities import Scenario
from incident_response.domain.signals import Signal
from incident_response.domain.silences import Silence
from incident_response.domain.timers import TimerKind
from incident_response.domain.transactions import Transaction
from incident_response.store.memory import MemoryStore
from incident_response.store.sql_store import SqlStore

from .records import LEASE, after, event, firing, incident, outgoing, remediation, sighting

Step = Callable[[Transaction], Any]
NUMBERS = range(1, 6)

moments = st.integers(-5, 5).map(lambda n: after(n * 30))
maybe = st.none() | moments
numbers = st.sampled_from(NUMBERS)
words = st.sampled_from(["a", "b", "c"])


@st.composite
def incidents(draw: st.DrawFn) -> Incident:
    status = draw(st.sampled_from(Status))
    ended = draw(moments) if not status.is_open else None
    return incident(
        draw(numbers),
        draw(words),
        status=status,
        page_at=draw(maybe),
        close_at=draw(maybe),
        resolved_at=ended,
        service=draw(words),
        scenario=draw(st.sampled_from(Scenario)),
        merged_into=draw(st.none() | numbers) if ended else None,
        closed_at=ended if status is Status.CLOSED else None,
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    record = draw(incidents())
    number = record.number
    return Change(
        record,
        tuple(event(draw(words), draw(moments)) for _ in range(draw(st.integers(0, 2)))),
        tuple(
            outgoing(number, draw(words) + str(number), draw(moments)) for _ in range(draw(st.integers(0, 2)))
        ),
        tuple(
            firing(number, draw(st.sampled_from(TimerKind)), draw(moments))
            for _ in range(draw(st.integers(0, 1)))
        ),
        tuple(
            remediation(
                number,
                draw(st.integers(1, 2)),
                target=draw(words),
                requested_at=draw(moments),
                ended_at=draw(maybe),
                state=draw(st.sampled_from(RemediationState)),
            )
            for _ in range(draw(st.integers(0, 2)))
        ),
    )


@st.composite
def sightings(draw: st.DrawFn) -> Any:
    first, last = sorted((draw(moments), draw(moments)))
    return sighting(
        draw(numbers),
        draw(words),
        source=draw(words),
        first_at=first,
        last_at=last,
        firing=draw(st.booleans()),
        occurrence=draw(st.sampled_from(["", "x", "y"])),
        count=draw(st.integers(1, 3)),
        summary=draw(words),
        role=draw(st.sampled_from(Role)),
        labels=draw(st.sampled_from([{"alertname": "a"}, {"service": "x"}, {"service": "", "dag_id": "y"}])),
    )


@st.composite
def held(draw: st.DrawFn) -> Held:
    labels = {"alertname": draw(words)}
    signal = Signal(draw(words), labels, draw(words), draw(moments), draw(st.booleans()))
    return Held(signal, draw(moments), draw(words))


def _silence(id: str, end: Any) -> Silence:
    return Silence(id, {"service": "a"}, "why", "x", after(-300), end, after(-300))


def _move(number: int, to: int, role: Role) -> Step:
    return lambda tx: tx.move_signals(number, to, role) if len(tx.lock({number, to})) == 2 else None


def _take(number: int, source: str, fingerprint: str) -> Step:
    return lambda tx: list(tx.take_signals(number, {(source, fingerprint)}))


def _release(tx: Transaction) -> Any:
    orphans = list(tx.lock_orphans(2))
    tx.release(orphans)
    return orphans


def _look(tx: Transaction, now: Any) -> Any:
    due = list(tx.lock_held(now, 2))
    tx.drop_held({(one.signal.source, one.signal.fingerprint) for one in due})
    return due


def _insert(change: Change) -> Step:
    return lambda tx: None if tx.lock([change.incident.number]) else set(tx.insert([change]))


def _save(change: Change) -> Step:
    return lambda tx: tx.save([change]) if tx.lock([change.incident.number]) else None


def _record(seen: Any) -> Step:
    return lambda tx: tx.record([seen]) if tx.lock([seen.incident]) else None


def _settle(at: int, state: OutgoingState, retry_at: Any) -> Step:
    return lambda tx: tx.settle(
        [Settlement(n, state, "why", retry_at) for n in _ids(tx)[at : at + 1]], after(0)
    )


def _ids(tx: Transaction) -> list[int]:
    return sorted(parcel.id for number in NUMBERS for parcel in tx.parcels(number))


steps = st.one_of(
    changes().map(_insert),
    changes().map(_insert),
    changes().map(_save),
    sightings().map(_record),
    moments.map(lambda now: lambda tx: [*map(_without_id, tx.claim(now, "x", LEASE, 2))]),
    st.builds(_settle, st.integers(0, 3), st.sampled_from(OutgoingState), maybe),
    moments.map(lambda now: lambda tx: list(tx.lock_due(now, 2))),
    moments.map(lambda since: lambda tx: dict(tx.lock_current(["a", "b", "c"], since))),
    st.dictionaries(words, st.integers(1, 3).map(lambda n: timedelta(seconds=n)), max_size=2).flatmap(
        lambda intervals: moments.map(lambda now: lambda tx: tx.ensure_polls(intervals, now))
    ),
    moments.map(lambda now: lambda tx: list(tx.claim_polls(now, "x", LEASE))),
    st.builds(
        lambda n, now, e: lambda tx: tx.finish_poll(n, now, {"at": e}, e),
        words,
        moments,
        st.sampled_from(["", "e"]),
    ),
    st.builds(lambda k, now: lambda tx: _effect(tx, k, now), words, moments),
    moments.map(lambda before: lambda tx: dict(tx.prune(before))),
    st.builds(lambda i, n, at: lambda tx: tx.add_integration(_integration(i, n, at)), words, words, moments),
    st.builds(lambda n, at: lambda tx: tx.revoke_integration(n, at), words, moments),
    st.builds(lambda i, at: lambda tx: tx.touch_integration(i, at), words, moments),
    st.builds(lambda some: lambda tx: list(tx.open_on(some)), st.sets(words, max_size=2)),
    st.builds(
        lambda n, at: lambda tx: (sorted(tx.opened(n, at)), list(tx.open_above(n, at))), numbers, moments
    ),
    st.just(lambda tx: (dict(tx.merged("abc")), list(tx.followed("abc")), set(tx.known("abc")))),
    numbers.map(lambda n: lambda tx: list(tx.told_of(n, ["a", "b"]))),
    st.builds(lambda w: lambda tx: list(tx.held_from(w)), words),
    st.builds(_move, numbers, numbers, st.sampled_from([Role.OWN, Role.CONSEQUENCE])),
    st.builds(_take, numbers, words, words),
    st.builds(lambda n, at: lambda tx: tx.skip_parcels(n, at), numbers, moments),
    st.just(_release),
    st.builds(lambda i, at: lambda tx: tx.add_silence(_silence(i, at)), words, moments),
    st.builds(lambda i, at: lambda tx: tx.end_silence(i, at), words, moments),
    st.lists(held(), max_size=3).map(lambda some: lambda tx: tx.hold(some)),
    moments.map(lambda now: lambda tx: _look(tx, now)),
    st.just(lambda tx: list(tx.ended("abc"))),
)


def _effect(tx: Transaction, key: str, now: Any) -> str | None:
    if not tx.lock([1]):
        return "no incident"
    state = tx.begin_effect(key, 1, "x", now)
    if state:
        tx.end_effect(key, now, {"done": True})
    return state


def _integration(id: str, name: str, at: Any) -> Integration:
    return Integration(id, name, IntegrationKind.GRAFANA, "f00d", at, "x", {"site": name})


def _do(store: Store, step: Step) -> Any:
    try:
        with store.transaction() as tx:
            return step(tx)
    except IllegalTransition:
        return "refused"


def _everything(store: Store) -> list[Any]:
    with store.read() as tx:
        return [
            [tx.board(10), tx.recent(after(-1e6), 10), tx.polls(), tx.heartbeats(after(-1e6))],
            [(tx.totals(after(n)), tx.is_idle(after(n))) for n in (-200, 0, 200)],
            [tx.remediation_history("restart", word, after(0)) for word in "abc"],
            [tx.firing(NUMBERS), set(tx.seen("abc"))],
            [tx.integrations(), *(tx.open_sightings(word) for word in "abc")],
            [(tx.timeline(n), tx.sightings(n), tx.firings(n), tx.remediations(n)) for n in NUMBERS],
            [tx.held(10), tx.silences(after(-1e6))],
            [_without_id(parcel) for n in NUMBERS for parcel in tx.parcels(n)],
        ]  # fmt: skip


def _without_id(parcel: Parcel) -> Parcel:
    """The databases leave gaps where a key was there already."""
    return replace(parcel, id=0)


@given(st.lists(steps, min_size=3, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_memory_and_sqlite_are_the_same_store(sqlite_template: Path, sequence: list[Step]):
    """After each step the same answer, and the same state at the end."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(sqlite_template, f"{folder}/store.db")
        database, memory = SqlStore(f"sqlite:///{folder}/store.db"), MemoryStore()
        for step in sequence:
            assert _do(database, step) == _do(memory, step)
        assert _everything(database) == _everything(memory)
        database.close()
