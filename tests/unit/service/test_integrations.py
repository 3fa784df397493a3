"""Integrations: tokens are shown once, kept as hashes, and stop when they are revoked."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import timedelta

import pytest

from incident_response.domain.errors import BadInput, StoreUnavailable
from incident_response.domain.records import IntegrationKind
from incident_response.service.integrations import FRESH, Integrations
from incident_response.store.memory import MemoryStore
from tests.support.shipped import START

KIND = IntegrationKind.ALERTMANAGER


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def integrations(store: MemoryStore) -> Integrations:
    return Integrations(store)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_a_token_is_recognised_and_kept_as_a_hash_only(integrations: Integrations) -> None:
    """Its id finds it; neither the record nor its repr holds the secret."""
    made, token = integrations.add("prometheus", KIND, {"site": "a"}, "operator", START)
    assert token.startswith(f"ir_{made.id}_")
    assert len(token) == 59
    assert made.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert made.token_hash not in repr(made)
    found = integrations.recognise(token, START)
    assert found is not None
    assert (found.name, found.labels, found.last_used_at) == ("prometheus", {"site": "a"}, START)


def test_two_tokens_differ_in_everything(integrations: Integrations) -> None:
    """Both are random."""
    one = integrations.add("a", KIND, {}, "operator", START)[1]
    two = integrations.add("b", KIND, {}, "operator", START)[1]
    assert not set(one.split("_", 2)[1:]) & set(two.split("_", 2)[1:])


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "x",
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: token.upper(),
        lambda token: " " + token,
        lambda token: token.replace("ir_", "ir_0", 1),
        lambda token: f"ir_{'0' * 12}_{token.split('_', 2)[2]}",
        lambda token: "ir_\ud800",
        lambda token: "ä" * 59,
    ],
)
def test_anything_else_is_not_recognised(integrations: Integrations, change) -> None:
    """Cut, longer, one letter off, another id, no token at all."""
    token = integrations.add("prometheus", KIND, {}, "operator", START)[1]
    assert integrations.recognise(change(token), START) is None


def test_a_revoked_token_stops_within_five_seconds(store: MemoryStore) -> None:
    """At once where it was revoked after the last look; elsewhere when that process looks again."""
    here, there = Integrations(store), Integrations(store)
    token = here.add("prometheus", KIND, {}, "operator", START)[1]
    assert there.recognise(token, START)
    here.revoke("prometheus", START + seconds(1))
    assert here.recognise(token, START + seconds(1)) is None
    assert there.recognise(token, START + FRESH - seconds(0.1))
    assert there.recognise(token, START + FRESH) is None


def test_a_new_token_works_at_once(store: MemoryStore) -> None:
    """A process that looked a moment ago looks again before it refuses; after adding comes trying."""
    here, there = Integrations(store), Integrations(store)
    other = here.add("other", KIND, {}, "operator", START)[1]
    assert there.recognise(other, START)
    token = here.add("prometheus", KIND, {}, "operator", START)[1]
    assert there.recognise(token, START + seconds(1))


def test_wrong_tokens_cost_the_store_two_looks_a_second(
    integrations: Integrations, store, monkeypatch
) -> None:
    """However many a stranger tries, and a valid one costs a look every five seconds and a write a minute."""
    token = integrations.add("prometheus", KIND, {}, "operator", START)[1]
    looks, writes = [], []
    read, transaction = store.read, store.transaction
    monkeypatch.setattr(store, "read", lambda: looks.append(1) or read())
    monkeypatch.setattr(store, "transaction", lambda: writes.append(1) or transaction())
    for n in range(100):
        assert integrations.recognise(f"ir_{n:012x}_{'x' * 43}", START + seconds(n / 100)) is None
    assert len(looks) <= 2
    looks.clear()
    for n in range(60):
        assert integrations.recognise(token, START + seconds(10 + n))
    assert len(looks) == 12
    assert len(writes) == 1


def test_a_clock_that_is_set_back_makes_us_look_again(integrations: Integrations) -> None:
    """What was read in the future counts nothing."""
    token = integrations.add("prometheus", KIND, {}, "operator", START)[1]
    assert integrations.recognise(token, START + seconds(3600))
    integrations.revoke("prometheus", START)
    assert integrations.recognise(token, START) is None


def test_a_store_that_is_away_lets_nobody_in(integrations: Integrations, store, monkeypatch) -> None:
    """It is said, once what is known is too old; the sender tries again."""
    token = integrations.add("prometheus", KIND, {}, "operator", START)[1]
    assert integrations.recognise(token, START)

    @contextmanager
    def gone():
        raise StoreUnavailable
        yield

    monkeypatch.setattr(store, "read", gone)
    with pytest.raises(StoreUnavailable):
        integrations.recognise(token, START + FRESH)


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 64, "a\n", "ä", "../a"])
def test_a_name_that_could_not_stand_in_a_timeline_is_refused(integrations: Integrations, name: str) -> None:
    """With what may be written."""
    with pytest.raises(BadInput, match="name: "):
        integrations.add(name, KIND, {}, "operator", START)


@pytest.mark.parametrize("labels", [{"a b": "x"}, {"1a": "x"}, {"a": ""}, {"a": "x" * 201}, {"a": "x\ny"}])
def test_labels_that_could_not_be_labels_are_refused(integrations: Integrations, labels) -> None:
    """Before anything is written."""
    with pytest.raises(BadInput, match="label"):
        integrations.add("a", KIND, labels, "operator", START)
    assert integrations.all() == []


def test_names_are_told_apart_and_revoked_once(integrations: Integrations) -> None:
    """A second one of a name is refused, as is revoking what is not there."""
    integrations.add("a", KIND, {}, "operator", START)
    with pytest.raises(BadInput, match="already"):
        integrations.add("a", KIND, {}, "operator", START)
    integrations.revoke("a", START)
    with pytest.raises(BadInput, match="no integration 'a'"):
        integrations.revoke("a", START)
    integrations.add("a", KIND, {}, "operator", START + seconds(1))
    assert [one.revoked_at for one in integrations.all()] == [START, None]
