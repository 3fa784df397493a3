"""Requests that wait at the same time: one transaction for all, an answer of its own for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any, cast

import pytest

from incident_response.domain.errors import BadInput, StoreUnavailable
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake, Receipt, Taken
from incident_response.web.hooks.together import MOST, Together

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


class SlowIntake:
    """Keeps each transaction open until it is told; a name that starts with `bad` is refused."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.held, self.go = threading.Event(), threading.Event()
        self.away = False

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        assert now == NOW
        self.calls.append([signal.name for signal in signals])
        self.held.set()
        assert self.go.wait(10)
        if self.away:
            raise StoreUnavailable("the database is away")
        if any(signal.name.startswith("bad") for signal in signals):
            raise BadInput("this one is bad")
        return [Receipt(int(signal.name), Taken.OPENED) for signal in signals]


@pytest.fixture
def intake() -> SlowIntake:
    return SlowIntake()


@pytest.fixture
def send(intake: SlowIntake) -> Iterator[Callable[..., Future[Any]]]:
    """Send the names as one request, from a thread of its own; waits until the request waits."""
    together = Together()
    with ThreadPoolExecutor(8) as pool:

        def one(*names: str, read: Callable[[], list[Signal]] | None = None) -> Future[Any]:
            signals = [Signal("test", {"alertname": name}, name, NOW) for name in names]
            sent = pool.submit(together.receive, cast(Intake, intake), read or (lambda: signals), lambda: NOW)
            if not intake.held.wait(0):
                assert intake.held.wait(10)
            else:
                time.sleep(0.05)  # in time to wait for the one that is held
            return sent

        yield one
        intake.go.set()


def numbers(sent: Future[Any]) -> list[int | None]:
    return [receipt.incident for receipt in sent.result(10)]


def test_those_that_wait_share_a_transaction(intake: SlowIntake, send: Callable[..., Future[Any]]) -> None:
    """The first had nobody to share with."""
    sent = [send("1"), send("2", "3"), send("4")]
    intake.go.set()
    assert [numbers(one) for one in sent] == [[1], [2, 3], [4]]
    assert intake.calls == [["1"], ["2", "3", "4"]]


def test_a_bad_one_does_not_hurt_the_others(intake: SlowIntake, send: Callable[..., Future[Any]]) -> None:
    """All are tried again, one by one; the one that cannot be read was never among them."""

    def unreadable() -> list[Signal]:
        raise BadInput("nobody can read this")

    sent, bad, worse = [send("1"), send("2")], send("bad"), send(read=unreadable)
    intake.go.set()
    assert [numbers(one) for one in sent] == [[1], [2]]
    for one, words in ((bad, "this one is bad"), (worse, "nobody can read this")):
        with pytest.raises(BadInput, match=words):
            one.result(10)
    assert intake.calls == [["1"], ["2", "bad"], ["2"], ["bad"]]


def test_a_store_that_is_away_is_asked_once(intake: SlowIntake, send: Callable[..., Future[Any]]) -> None:
    """Asking for each would make the last one wait for all their timeouts."""
    sent = [send("1"), send("2"), send("3")]
    intake.away = True
    intake.go.set()
    for one in sent:
        with pytest.raises(StoreUnavailable):
            one.result(10)
    assert len(intake.calls) == 2


def test_a_transaction_is_bounded(intake: SlowIntake, send: Callable[..., Future[Any]]) -> None:
    """What waits beyond that is the next one's."""
    sent = [send("1"), send(*["2"] * MOST), send("3")]
    intake.go.set()
    assert [len(numbers(one)) for one in sent] == [1, MOST, 1]
    assert [len(call) for call in intake.calls] == [1, MOST, 1]
