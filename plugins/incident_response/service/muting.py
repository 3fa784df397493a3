"""Muting: what is silenced now, by people and by plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from secrets import token_hex

from incident_response.domain.classification import Classification
from incident_response.domain.errors import BadInput
from incident_response.domain.ports import Store
from incident_response.domain.records import Held
from incident_response.domain.signals import Signal
from incident_response.domain.silences import (
    MOST_DAYS,
    MaintenanceWindow,
    Matchers,
    Mute,
    Muted,
    Silence,
    muted,
)
from incident_response.domain.times import in_words
from incident_response.domain.transactions import Transaction

_FRESH = timedelta(seconds=3)  # a new silence works everywhere after this time


class Muting:
    """Silences of the store and maintenance windows of include/policy, as they are in force."""

    def __init__(self, store: Store, windows: Callable[[], Sequence[MaintenanceWindow]]) -> None:
        self._store, self._windows = store, windows
        self._read_at: datetime | None = None
        self._silences: Sequence[Silence] = ()

    def now(self, tx: Transaction, now: datetime) -> Sequence[Mute]:
        """The silences and windows there are now: asked for once for any number of signals."""
        if self._read_at is None or not timedelta() <= now - self._read_at < _FRESH:
            self.read(tx, now)
        return (*self._silences, *self._windows())

    @staticmethod
    def of(mutes: Sequence[Mute], signal: Signal, found: Classification, now: datetime) -> Muted | None:
        """Which of them mutes a signal. Matchers see its labels, the service, scenario and severity found."""
        if not mutes:
            return None
        meaning = {"scenario": found.scenario.value, "severity": found.severity.value}
        return muted(mutes, {**signal.labels, **meaning, "service": found.service}, now)

    def muted(self, tx: Transaction, signal: Signal, found: Classification, now: datetime) -> Muted | None:
        """What mutes a signal now."""
        return self.of(self.now(tx, now), signal, found, now)

    def read(self, tx: Transaction, now: datetime) -> bool:
        """Look which silences there are; True when they are others than those known so far.

        Needed before something is held: what is held under a silence that somebody else has just ended would
        wait for an end that has been before.
        """
        before = self._silences
        self._silences, self._read_at = tx.silences(now), now
        return list(before) != list(self._silences)

    def add(
        self, matchers: Sequence[str], reason: str, owner: str, length: timedelta, now: datetime
    ) -> Silence:
        """A silence from now on. Raises BadInput."""
        if not reason.strip():
            raise BadInput("reason: is empty; say why nobody has to be told")
        if not timedelta() < length <= timedelta(days=MOST_DAYS):
            raise BadInput(
                f"the length is {in_words(length)}; it must be between a second and {MOST_DAYS} days"
            )
        labels = Matchers.parse(matchers).labels
        silence = Silence(token_hex(4), labels, reason.strip()[:500], owner, now, now + length, now)
        with self._store.transaction() as tx:
            tx.add_silence(silence)
        self._read_at = None
        return silence

    def end(self, id: str, now: datetime) -> None:
        """End a silence now: what it holds is looked at again. Raises BadInput."""
        with self._store.transaction() as tx:
            if not tx.end_silence(id, now):
                raise BadInput(
                    f"there is no silence {id!r} that lasts; the page and the command line list them"
                )
        self._read_at = None

    def lasting(
        self, now: datetime
    ) -> tuple[Sequence[Silence], Sequence[tuple[MaintenanceWindow, datetime]]]:
        """The silences that have not ended, and the maintenance windows that are open, with their ends."""
        with self._store.read() as tx:
            silences = tx.silences(now)
        open_ = [(window, until) for window in self._windows() if (until := window.open_until(now))]
        return silences, open_

    def held(self, limit: int = 200) -> Sequence[Held]:
        """The signals that are muted now."""
        with self._store.read() as tx:
            return tx.held(limit)


def hold(signal: Signal, mute: Muted) -> Held:
    """A muted signal as it is kept."""
    return Held(signal, mute.until, mute.name)
