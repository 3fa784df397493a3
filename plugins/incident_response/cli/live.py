"""A look at everything outside, side by side: what each source says, and what keeps it from answering."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from incident_response.bootstrap import Services
from incident_response.domain.errors import IncidentResponseError, NotConfigured
from incident_response.domain.ports import Detector
from incident_response.domain.redaction import one_line
from incident_response.domain.services import called
from incident_response.domain.signals import Signal

from .impatience import at_once

log = logging.getLogger(__name__)

OK, SEES, WAITS, FAILED = "ok", "sees", "waits", "FAIL"
_GRACE = 5.0  # seconds after a detector's own time limit until its look is given up
_MAIL = 15.0  # seconds for a login at the mail server
_SHOWN = 6  # names of what fires
_LOOKS = 3  # in a row: so many failures of a part, one query of several, make a detector tell of it
# What a detector says because it could not look: for the clock that is trouble, here it is a failed check. Of
# another kind the same name is what somebody else says, by a source that has answered.
_BLIND = {"postgres": "DatabaseConnectionFailure", "data_quality": "DataQueryFailed"}
_BLIND_PART = "DetectorFailing"

Seen = tuple[str, str]  # state and text


@dataclass(frozen=True)
class Looked:
    """How one look ended: `state` is OK, SEES (it answered, and something fires), WAITS or FAILED."""

    name: str
    state: str
    text: str


def looks(services: Services, now: datetime) -> Iterator[Looked]:
    """Look once at every enabled source and at the mail server, in the order of the file.

    Each has a thread that may be left behind: what hangs holds up no other.
    """
    begun = [_Begun(name, job, seconds) for name, job, seconds in _jobs(services, now)]
    for one in begun:
        yield one.ended()


def _jobs(services: Services, now: datetime) -> Iterator[tuple[str, Callable[[], Seen], float]]:
    detectors = services.detectors
    for name, detector in detectors.always().items():
        limit = detector.time_limit.total_seconds()
        yield name, partial(_once, detector, now), limit + _GRACE
    for source in services.library.sources():
        # Asked here and not in the threads: Airflow reads its connections where its own session is.
        if missing := detectors.missing(source):
            yield source.name, _waiting(missing), _GRACE
        else:
            limit = source.time_limit.total_seconds()
            yield (
                source.name,
                partial(_closely, detectors.make(at_once(source)), getattr(source, "kind", ""), now),
                _LOOKS * limit + _GRACE,
            )
    yield "mail", lambda: _mail(services), _MAIL


def _once(detector: Detector, now: datetime) -> Seen:
    return _said(detector.poll({}, now).signals, "")


def _closely(detector: Detector, kind: str, now: datetime) -> Seen:
    """Several looks, until one tells of something that cannot be looked at. The cursor goes nowhere else."""
    signals: dict[str, Signal] = {}
    cursor: Mapping[str, Any] = {}
    for _ in range(_LOOKS):
        seen = detector.poll(cursor, now)
        signals |= {signal.fingerprint: signal for signal in seen.signals}
        cursor = seen.cursor or {}
        if any(_is_blind(signal, kind) for signal in signals.values()):
            break
    return _said(list(signals.values()), kind)


def _waiting(missing: Sequence[str]) -> Callable[[], Seen]:
    names = ", ".join(missing)
    return lambda: (WAITS, f"waits for connection {names}; define it, or AIRFLOW_CONN_{missing[0].upper()}")


def _mail(services: Services) -> Seen:
    try:
        services.mail.greet()
    except NotConfigured:
        conn_id = services.settings.smtp_conn_id
        return WAITS, f"waits for connection {conn_id}; until then pages go to the triggerer's log"
    return OK, "the mail server takes the login"


def _is_blind(signal: Signal, kind: str) -> bool:
    return signal.name in (_BLIND_PART, _BLIND.get(kind))


def _said(signals: Sequence[Signal], kind: str) -> Seen:
    firing = [signal for signal in signals if signal.firing]
    if blind := [signal for signal in firing if _is_blind(signal, kind)]:
        more = f" (and {len(blind) - 1} more)" if len(blind) > 1 else ""
        # Where the summary leaves out why, the details know.
        why = blind[0].details.get("error", "")
        reason = f": {why}" if why and str(why) not in blind[0].summary else ""
        return FAILED, f"{blind[0].summary}{reason}{more}"
    if not firing:
        return OK, "nothing fires"
    named = Counter(_named(signal) for signal in firing)
    told = [f"{name} ×{count}" if count > 1 else name for name, count in named.most_common(_SHOWN)]
    rest = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return SEES, f"{', '.join(told)}{rest}"


def _named(signal: Signal) -> str:
    """The alert, and what it speaks of."""
    about = called(signal.labels)
    return f"{signal.name} of {about}" if about else signal.name


class _Begun:
    """A look in a thread of its own, begun at once."""

    def __init__(self, name: str, job: Callable[[], Seen], seconds: float) -> None:
        self._name, self._job, self._seconds = name, job, seconds
        self._deadline = time.monotonic() + seconds
        self._seen: Seen | None = None
        self._thread = threading.Thread(target=self._run, name=f"check {name}", daemon=True)
        self._thread.start()

    def ended(self) -> Looked:
        """Wait for its end, to its own deadline at most."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        state, text = self._seen or (
            FAILED,
            f"no answer within {self._seconds:g} s, the look was given up; check that the system answers "
            "from this machine",
        )
        return Looked(self._name, state, one_line(text, 500).removeprefix(f"{self._name}: "))

    def _run(self) -> None:
        try:
            self._seen = self._job()
        except IncidentResponseError as error:
            self._seen = FAILED, str(error)
        except Exception as error:  # a detector's bug must not hide what the others saw
            log.exception("check %s", self._name)
            self._seen = (
                FAILED,
                f"{type(error).__name__}, a fault of the detector; the log above has it whole",
            )
