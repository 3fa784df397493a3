"""What a tick costs with ten due timers, among few and among very many open incidents."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from bench import REPOSITORY
from bench.measure import Figure, alternate, grows_less
from incident_response.domain.changes import Change
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction
from incident_response.library.folder import Library
from incident_response.service.clock import Clock
from incident_response.service.delivery import Delivery
from incident_response.service.detection import Detection
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from incident_response.store.sql_store import SqlStore

SIZES = (100, 10_000, 100_000)
_DUE = 10
_GOAL = 1.5
_link_log = logging.getLogger("incident_response.store.link")  # a line for each message to a database
_START = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


class _Outside:
    """Channels, DAG runs, templates and the spool, at no cost."""

    name = "email"

    def deliver(self, parcel: Parcel, message: Message) -> None:
        pass

    def start(self, dag_id: str, run_id: str, incident: int) -> str:
        return "started"

    def message(self, parcel: Parcel, incident: Incident, timeline: Sequence[TimelineEvent]) -> Message:
        return Message(parcel.outgoing.key, "", "", incident.number)

    def report(self, facts: Mapping[str, Any]) -> str:
        return ""

    def take(self, limit: int) -> Iterator[tuple[str, Sequence[Any]]]:
        return iter(())

    def waiting(self) -> int:
        return 0

    def done(self, name: str) -> None: ...

    def set_aside(self, name: str, error: str) -> None: ...


class Subject:
    """A clock over a store with `size` open incidents, none of them due for years."""

    def __init__(self, url: str, size: int) -> None:
        self.store = SqlStore(url, timeout=60)
        self.store.migrate()
        library, outside = Library(REPOSITORY / "include", fresh_for=1.0), _Outside()
        self._policies = PolicyBook(library)
        intake = Intake(self.store, library.rules, self._policies)
        channels = dict.fromkeys(("console", "email"), outside)
        delivery = Delivery(self.store, channels, outside, outside)
        detection = Detection(self.store, dict, intake, lambda: self._now)
        self._clock = Clock(self.store, self._policies, delivery, detection, intake, outside)
        self._now, self._size = _START, size
        self._turn = itertools.cycle(range(1, size + 1, _DUE))
        self._fill(library.current().digest)

    def prepare(self) -> None:
        """Make ten other incidents due."""
        self._now += timedelta(seconds=2)
        first = next(self._turn)
        with self.store.transaction() as tx:
            found = tx.lock(range(first, first + _DUE)).values()
            tx.save([Change(incident.evolve(update_due_at=self._now)) for incident in found])

    def run(self) -> None:
        """Tick once, and see that the timers fired."""
        ticked = self._clock.tick(self._now, "clock@bench:1")
        assert ticked.timers == _DUE, ticked

    def messages(self) -> int:
        """Tick once more, not timed, and count the messages to the database."""
        counted: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = counted.append  # type: ignore[method-assign]
        self.prepare()
        _link_log.addHandler(handler)
        _link_log.propagate = False
        _link_log.setLevel(logging.DEBUG)
        self.run()
        _link_log.setLevel(logging.NOTSET)
        _link_log.propagate = True
        _link_log.removeHandler(handler)
        return len(counted)

    def _fill(self, digest: str) -> None:
        with self.store.transaction() as tx:
            self._policies.for_new(tx, _START)
        for first in range(1, self._size + 1, 2000):
            with self.store.transaction() as tx:
                _open(tx, range(first, min(first + 2000, self._size + 1)), digest)


def _open(tx: Transaction, numbers: range, digest: str) -> None:
    tx.allocate(len(numbers))
    far = _START + timedelta(days=3000)
    tx.insert(
        [
            Change(
                Incident(
                    number=number,
                    dedup_key=f"v1:bench:{number}",
                    title=f"Trouble {number}",
                    severity=Severity.P3,
                    scenario=Scenario.OTHER,
                    service=f"service-{number}",
                    rule="bench",
                    policy=digest,
                    opened_at=_START,
                    started_at=_START,
                    resolve_by=far + timedelta(seconds=number),
                )
            ).event(_START, EventKind.OPENED, "system:bench", "opened")
            for number in numbers
        ]
    )


def figures(database: str, url_of: Callable[[str], str], rounds: int) -> Iterator[Figure]:
    """Milliseconds and messages of a tick, compared with those among the fewest incidents."""
    subjects = {size: Subject(url_of(f"tick_{size}"), size) for size in SIZES}
    seconds = alternate({str(size): (s.prepare, s.run) for size, s in subjects.items()}, rounds)
    fewest = SIZES[0]
    for size in SIZES[1:]:
        where = f"tick, {database}, {size:,} open"
        yield grows_less(where, seconds[str(size)] * 1000, seconds[str(fewest)] * 1000, _GOAL)
    most = SIZES[-1]
    yield grows_less(
        f"tick, {database}, {most:,} open, messages",
        float(subjects[most].messages()),
        float(subjects[fewest].messages()),
        _GOAL,
        "messages",
    )
    for subject in subjects.values():
        subject.store.close()
