"""Detection: claim due polls, let each detector look once, take in what it saw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from incident_response.domain.errors import IncidentResponseError, NotConfigured
from incident_response.domain.logs import logger
from incident_response.domain.ports import Detector, Store
from incident_response.domain.records import NOT_CONFIGURED, Poll
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import ALERTNAME, Signal

from .intake import Intake

log = logger(__name__)

FAILING = "DetectorFailing"
_FAILS_AFTER = 3  # looks in a row without an answer
_AGAIN = 20  # and told again each time after so many more
_THREADS = 32  # looks at once; a hanging one holds a thread until its own time limit
_GRACE = timedelta(seconds=30)  # after a detector's time limit, until somebody else may look


class Detection:
    """Polls detectors. `detectors` gives those in force, by name; `clock` the present.

    Each look has a thread of its own: a source that hangs delays no other. A broken one keeps its error with
    its row, and is a P3 signal itself after three failures.
    """

    def __init__(
        self,
        store: Store,
        detectors: Callable[[], Mapping[str, Detector]],
        intake: Intake,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._detectors, self._intake, self._clock = store, detectors, intake, clock
        self._ensured: dict[str, timedelta] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._looking: set[Future[None]] = set()

    @property
    def names(self) -> Collection[str]:
        """The detectors there are."""
        return self._detectors().keys()

    def ensure(self, now: datetime) -> None:
        """Make the rows of the detectors; again when include/ names others or gives them another rhythm."""
        wanted = {name: detector.interval for name, detector in self._detectors().items()}
        if wanted != self._ensured:
            with self._store.transaction() as tx:
                tx.ensure_polls(wanted, now)
            self._ensured = wanted

    def poll(
        self,
        now: datetime,
        by: str,
        names: Collection[str] | None = None,
        late: float = 0.0,
        patience: float | None = None,
    ) -> int:
        """Run the due polls nobody holds, only those overdue by `late` seconds; returns how many were begun.

        Waits until they have ended, for `patience` seconds at most; what is slower goes on by itself.
        """
        self.ensure(now)
        detectors = self._detectors()
        self._looking = {look for look in self._looking if not look.done()}
        if len(self._looking) >= _THREADS:
            return 0
        longest = max((detector.time_limit for detector in detectors.values()), default=timedelta())
        with self._store.transaction() as tx:
            polls = tx.claim_polls(now - timedelta(seconds=late), by, longest + _GRACE, names)
        self._pool = self._pool or ThreadPoolExecutor(_THREADS, thread_name_prefix="incident-look")
        begun = {
            self._pool.submit(self._one, poll, detectors[poll.name], now)
            for poll in polls
            if poll.name in detectors
        }
        self._looking |= begun
        wait(begun, patience)
        return len(begun)

    def _one(self, poll: Poll, detector: Detector, now: datetime) -> None:
        try:
            cursor, error = self._look(poll, detector, now)
            with self._store.transaction() as tx:
                tx.finish_poll(poll.name, self._clock(), cursor, error)
        except (
            IncidentResponseError
        ) as failure:  # the store is away: the claim runs out, and it is looked again
            log.warning("detector %s: %s", poll.name, failure)

    def _look(self, poll: Poll, detector: Detector, now: datetime) -> tuple[Mapping[str, object] | None, str]:
        try:
            seen = detector.poll(poll.cursor, now)
        except NotConfigured as failure:
            return None, f"{NOT_CONFIGURED}{failure}"
        except IncidentResponseError as failure:
            error = str(failure)
        except Exception as failure:  # a detector's bug must not stop the others; it is shown with its row
            log.exception("detector %s", poll.name)
            error = f"{type(failure).__name__}; the triggerer's log has the details"
        else:
            # Signals first: if this process dies in between they come again, and are recognised.
            signals = list(seen.signals)
            if poll.failures >= _FAILS_AFTER:
                signals.append(_failing(poll.name, "answers again", now, firing=False))
            self._intake.receive(signals, now)
            return seen.cursor, ""
        if poll.failures + 1 == _FAILS_AFTER or (poll.failures + 1) % _AGAIN == 0:
            self._intake.receive([_failing(poll.name, error, now)], now)
        return None, error


def _failing(name: str, error: str, now: datetime, *, firing: bool = True) -> Signal:
    labels = {ALERTNAME: FAILING, "detector": name}
    return Signal("detection", labels, one_line(f"{name}: {error}"), now, firing)
