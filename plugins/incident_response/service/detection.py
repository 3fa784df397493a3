"""Detection: claim due polls, let each detector look once, take in what it saw."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.ports import Detector, Poll, Store

from .intake import Intake

log = logging.getLogger(__name__)


class Detection:
    """Polls detectors (by name). A broken one delays no other; its error is kept with its row and shown."""

    def __init__(
        self, store: Store, detectors: Mapping[str, Detector], intake: Intake, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._detectors, self._intake, self._clock = store, detectors, intake, clock
        self._ensured = False

    @property
    def names(self) -> Collection[str]:
        """The detectors there are."""
        return self._detectors.keys()

    def ensure(self, now: datetime) -> None:
        """Make the rows of the detectors, once per process."""
        if not self._ensured:
            with self._store.transaction() as tx:
                tx.ensure_polls({name: detector.interval for name, detector in self._detectors.items()}, now)
            self._ensured = True

    def poll(self, now: datetime, by: str, names: Collection[str] | None = None, late: float = 0.0) -> int:
        """Run the due polls nobody holds, only those overdue by `late` seconds; returns how many were run."""
        self.ensure(now)
        lease = max((d.time_limit for d in self._detectors.values()), default=timedelta()) + timedelta(
            seconds=30
        )
        with self._store.transaction() as tx:
            polls = tx.claim_polls(now - timedelta(seconds=late), by, lease, names)
        for poll in polls:
            self._one(poll, now)
        return len(polls)

    def _one(self, poll: Poll, now: datetime) -> None:
        cursor, error = None, ""
        try:
            seen = self._detectors[poll.name].poll(poll.cursor, now)
            # Signals first: if this process dies in between they come again, and are recognised.
            self._intake.receive(seen.signals, now)
            cursor = seen.cursor
        except IncidentResponseError as failure:
            error = str(failure)
        except Exception as failure:  # a detector's bug must not stop the others; it is shown with its row
            log.exception("detector %s", poll.name)
            error = f"{type(failure).__name__}; the triggerer's log has the details"
        with self._store.transaction() as tx:
            tx.finish_poll(poll.name, self._clock(), cursor, error)
