"""Requests that wait at the same time are taken in by one transaction: a storm is very many small requests.

One thread works for all that wait. Threads that worked side by side would only take the interpreter from
each other, most of all while one of them holds the one place of SQLite's writer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import NamedTuple

from incident_response.domain.errors import PolicyError, SchemaOutdated, SettingsError, StoreUnavailable
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake, Receipt

MOST = 1000  # signals after which the next request waits for the next transaction
_ALL = (StoreUnavailable, SchemaOutdated, PolicyError, SettingsError)  # errors that every request would meet

Read = Callable[[], list[Signal]]


class _Piece(NamedTuple):
    """What one request wants to be taken in, and where its thread looks for the answer."""

    read: Read
    answer: Future[list[Receipt]]


class Together:
    """Takes signals in for threads. Each request is taken in whole or not at all."""

    def __init__(self) -> None:
        self._waiting: deque[_Piece] = deque()
        self._turn = threading.Lock()

    def receive(self, intake: Intake, read: Read, now: Callable[[], datetime]) -> list[Receipt]:
        """The receipts of what `read` gives, after the commit. Raises what `read` or the intake raise."""
        mine = _Piece(read, Future())
        self._waiting.append(mine)
        with self._turn:
            while not mine.answer.done():  # whoever had the turn before us has mostly done ours, too
                _take(intake, self._next(), now())  # not before they were read
        return mine.answer.result()

    def _next(self) -> list[tuple[_Piece, list[Signal]]]:
        """The requests of the next transaction, read. One that cannot be read has its answer already."""
        found: list[tuple[_Piece, list[Signal]]] = []
        count = 0
        while self._waiting and count < MOST:
            piece = self._waiting.popleft()
            try:
                signals = piece.read()
            except Exception as error:  # noqa: BLE001 - its own thread raises it; the others go on
                piece.answer.set_exception(error)
                continue
            found.append((piece, signals))
            count += len(signals)
        return found


def _take(intake: Intake, pieces: Sequence[tuple[_Piece, list[Signal]]], now: datetime) -> None:
    """Answer all of them."""
    try:
        receipts = intake.receive([signal for _, signals in pieces for signal in signals], now)
    except Exception as error:  # noqa: BLE001 - the threads that wait raise it
        if len(pieces) > 1 and not isinstance(error, _ALL):
            for alone in pieces:  # one of them is the cause, and the others must not suffer for it
                _take(intake, [alone], now)
        else:
            for piece, _ in pieces:
                piece.answer.set_exception(error)
        return
    place = 0
    for piece, signals in pieces:
        piece.answer.set_result(receipts[place : place + len(signals)])
        place += len(signals)
