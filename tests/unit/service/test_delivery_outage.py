"""The store goes away between a delivery and its record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.records import OutgoingState
from tests.support.house import START, House, down


def test_what_was_sent_before_the_store_went_away_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process knows how it ended and writes it when the store is back, even if the claim ran out."""
    house = House()
    house.intake.receive([down()], START)
    house.clock.fire_due(START, "clock@test")
    real, away = house.store.transaction, False

    @contextmanager
    def transaction() -> Iterator[Any]:
        if away:
            raise StoreUnavailable
        with real() as tx:
            yield tx

    def deliver_and_cut(*arguments: Any) -> None:
        nonlocal away
        house.post.sent.append((arguments[0].outgoing.receiver, "", arguments[1].key))
        away = True

    monkeypatch.setattr(house.store, "transaction", transaction)
    with monkeypatch.context() as cut:
        cut.setattr(house.post, "deliver", deliver_and_cut)
        with pytest.raises(StoreUnavailable):
            house.clock.deliver(START, "clock@test")
    away = False

    house.clock.deliver(START + timedelta(seconds=90), "clock@test")

    with house.store.read() as tx:
        states = [p.state for p in tx.parcels(1) if p.outgoing.channel == "console"]
    keys = [key for _, _, key in house.post.sent]
    assert set(states) == {OutgoingState.DELIVERED}
    assert len(keys) == len(set(keys))
