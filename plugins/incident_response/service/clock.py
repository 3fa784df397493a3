"""The clock: one idempotent look at everything that is due.

Nothing that pages a person needs anything else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from incident_response.domain.changes import Change
from incident_response.domain.due import fire
from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Spool, Store
from incident_response.domain.records import Heartbeat
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.timers import TimerKind
from incident_response.domain.transactions import Transaction

from .delivery import Delivery
from .detection import Detection
from .intake import Intake
from .policy_book import PolicyBook

log = logging.getLogger(__name__)

_BEAT_EVERY = timedelta(seconds=10)
_LATE_POLL = 5.0  # seconds a poll may wait for its sensor before the clock takes it


@dataclass(frozen=True)
class Ticked:
    """What one tick did."""

    timers: int = 0
    delivered: int = 0
    spooled: int = 0
    polls: int = 0
    again: int = 0

    @property
    def idle(self) -> bool:
        """True when nothing was due."""
        return self == Ticked()


class Clock:
    """tick(now) may run anywhere, as often as one likes, at the same time in several places."""

    def __init__(
        self,
        store: Store,
        policies: PolicyBook,
        delivery: Delivery,
        detection: Detection,
        intake: Intake,
        spool: Spool,
    ) -> None:
        self._store, self._policies, self._delivery = store, policies, delivery
        self._detection, self._intake, self._spool = detection, intake, spool
        self._last_beat: datetime | None = None
        self._since: datetime | None = None

    def tick(self, now: datetime, by: str, limit: int = 100) -> Ticked:
        """Look at everything once: timers, then the outbox, then late polls. Each part is bounded by `limit`.

        Raises StoreUnavailable when the store is away; nothing is lost by that, everything due stays due.
        """
        self.beat(now, by)
        spooled = self.take_spooled(now)
        timers = self.fire_due(now, by, limit)
        again = self.look_again(now)
        return Ticked(timers, self.deliver(now, by), spooled, self.poll(now, by), again)

    def fire_due(self, now: datetime, by: str, limit: int = 100) -> int:
        """Fire the due timers of at most `limit` incidents, all in one transaction."""
        if self._is_idle(now):
            return 0
        with self._store.transaction() as tx:
            return self._fire(tx, list(tx.lock_due(now, limit)), by, now)

    def deliver(self, now: datetime, by: str) -> int:
        """Deliver what is due in the outbox."""
        self._delivery.finish(now)
        return 0 if self._is_idle(now) else self._delivery.deliver(now, by)

    def look_again(self, now: datetime) -> int:
        """Take in again what a silence held until now, and consequences that outlived their incident."""
        return 0 if self._is_idle(now) else self._intake.look_again(now)

    def poll(self, now: datetime, by: str, patience: float | None = None) -> int:
        """Run the polls whose sensor did not come in time; waits at most `patience` seconds for slow ones."""
        self._detection.ensure(now)
        return 0 if self._is_idle(now) else self._detection.poll(now, by, late=_LATE_POLL, patience=patience)

    def _is_idle(self, now: datetime) -> bool:
        with self._store.read() as tx:
            return tx.is_idle(now)

    def fire(self, number: int, by: str, now: datetime) -> int:
        """Fire the due timers of one incident: what its escalation sensor does when it comes first."""
        with self._store.transaction() as tx:
            return self._fire(tx, list(tx.lock([number]).values()), by, now)

    def _fire(self, tx: Transaction, incidents: list[Incident], by: str, now: datetime) -> int:
        changes = [change for incident in incidents if (change := self._due(tx, incident, by, now)).firings]
        if changes:
            tx.save(changes)
        return sum(len(change.firings) for change in changes)

    def _due(self, tx: Transaction, incident: Incident, by: str, now: datetime) -> Change:
        """All that is due for one incident, in order; firing one timer may make another due or void."""
        policy = self._policies.of(tx, incident)
        whole = Change(incident)
        while (timers := whole.incident.timers) and timers[0].due_at <= now:
            if timers[0].kind is TimerKind.REMEDIATION:
                whole = self._given_up(tx, whole, now)
            whole = whole.then(partial(fire, policy=policy, kind=timers[0].kind, by=by, now=now))
        return whole

    @staticmethod
    def _given_up(tx: Transaction, whole: Change, now: datetime) -> Change:
        """No sign of life, or no end in time: nobody knows what these have done; their targets are free."""
        for asked in tx.remediations(whole.incident.number):
            if not asked.state.ended:
                reason = "no sign of life: what it has done is unknown"
                if asked.state is RemediationState.REQUESTED:
                    reason = "it did not begin in time; is its DAG paused?"
                unknown = replace(asked, state=RemediationState.UNKNOWN, reason=reason, ended_at=now)
                whole = whole.remediation(unknown)
                tx.free_leases(asked.incident, asked.attempt)
        return whole

    def take_spooled(self, now: datetime, files: int = 200) -> int:
        """Take in signals that were spooled while the store was away; returns how many."""
        count = 0
        for name, signals in self._spool.take(files):
            try:
                self._intake.receive(signals, now)
            except StoreUnavailable:
                raise
            except Exception as error:  # one file that cannot be taken in must not hold back the others
                log.exception("spooled signals %s", name)
                self._spool.set_aside(name, f"{type(error).__name__}: {error}")
                continue
            # Only now: a crash before this line brings the file again, and its occurrences are recognised.
            self._spool.done(name)
            count += len(signals)
        return count

    def beat(self, now: datetime, by: str) -> None:
        """A sign of life, seldom enough to cost nothing."""
        if self._last_beat is None or now - self._last_beat >= _BEAT_EVERY:
            self._since = self._since or now
            with self._store.transaction() as tx:
                tx.beat(Heartbeat(by, now, self._since, {"spooled": self._spool.waiting()}))
            self._last_beat = now
            # Seldom needed and never due: a process that died between opening incidents and gathering them.
            self._intake.gathering.gather_owed(now)
            self._intake.hear_again(now)
