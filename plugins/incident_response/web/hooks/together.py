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
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake, Receipt

MOST = 1000  # signals after which the next request waits for the next transaction
_GIVE_UP = 20  # signals of one request that cannot be stored: then it is not they, it is something else
_ALL = (StoreUnavailable, SchemaOutdated, PolicyError, SettingsError)  # errors that every request would meet

Read = Callable[[], list[Signal]]


class _Piece(NamedTuple):
    """What one request wants to be taken in, and where its thread looks for the answer."""

    read: Read
    answer: Future[list[Receipt]]
    lost: list[str]  # a line for each signal that could not be taken in, while the others were


class Together:
    """Takes signals in for threads."""

    def __init__(self) -> None:
        self._waiting: deque[_Piece] = deque()
        self._turn = threading.Lock()

    def receive(
        self, intake: Intake, read: Read, now: Callable[[], datetime], lost: list[str] | None = None
    ) -> list[Receipt]:
        """The receipts of what `read` gives, after the commit.

        A signal that cannot be stored does not cost the others of its request: `lost` names it. Raises what
        `read` or the intake raise when nothing was stored.
        """
        mine = _Piece(read, Future(), [] if lost is None else lost)
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
        elif isinstance(error, _ALL) or len(pieces[0][1]) < 2:
            for piece, _ in pieces:
                piece.answer.set_exception(error)
        else:
            _sift(intake, *pieces[0], now, error)
        return
    place = 0
    for piece, signals in pieces:
        piece.answer.set_result(receipts[place : place + len(signals)])
        place += len(signals)


def _sift(intake: Intake, piece: _Piece, signals: Sequence[Signal], now: datetime, error: Exception) -> None:
    """Answer a request one of whose signals is the cause of the error: the others are taken without it."""
    receipts: list[Receipt] = []
    failed: list[str] = []
    halves = deque(_halves(signals))
    while halves:
        some = halves.popleft()
        try:
            receipts += intake.receive(some, now)
        except _ALL as away:  # the sender repeats all of it; what was taken already is only counted then
            piece.answer.set_exception(away)
            return
        except Exception as cause:  # noqa: BLE001 - whatever it is, the others must not suffer for it
            if len(some) > 1:
                halves.extendleft(reversed(_halves(some)))
                continue
            failed.append(f"{one_line(some[0].name, 60)}: {type(cause).__name__}")
            if len(failed) >= _GIVE_UP:
                break
    if halves or not receipts:
        piece.answer.set_exception(error)
        return
    piece.lost.extend(failed)
    piece.answer.set_result(receipts)


def _halves(signals: Sequence[Signal]) -> list[Sequence[Signal]]:
    middle = len(signals) // 2
    return [signals[:middle], signals[middle:]]
