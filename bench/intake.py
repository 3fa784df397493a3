"""What taking a signal in costs, beside one bare upsert."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

from bench import REPOSITORY
from bench.floor import Floor
from bench.measure import Figure, alternate, at_least, informational
from incident_response.domain.signals import Signal
from incident_response.library.folder import Library
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from incident_response.store.sql_store import SqlStore

_GOAL = 0.5
_OPENING = "an incident each"
_START = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
_numbers = itertools.count(1)
Make = Callable[[int], Signal]


def _signal(number: int, service: str, instance: str) -> Signal:
    return Signal(
        source="prometheus",
        labels={"alertname": "BenchProbeFailed", "service": service, "instance": instance, "severity": "P3"},
        summary=f"The probe of {service} failed",
        occurred_at=_START + timedelta(milliseconds=number),
        occurrence=f"{service}/{instance}/{number}",
        details={"value": number},
    )


KINDS: dict[str, Make] = {
    "same fingerprint": lambda n: _signal(n, "one", "same"),
    "distinct": lambda n: _signal(n, "one", f"host-{n}"),  # fingerprints, of one incident
    _OPENING: lambda n: _signal(n, f"service-{n}", "same"),
}
# What an opening leaves behind beside its signal, for the incident of the lowest number.
_ROWS = {
    "incidents": "SELECT * FROM {s}incidents WHERE number = 1",
    "events": "SELECT * FROM {s}events WHERE incident = 1 AND kind = 'opened'",
    "outbox": "SELECT * FROM {s}outbox WHERE incident = 1",
}


def figures(database: str, url: str, rounds: int) -> Iterator[Figure]:
    """Intake against the floor, for each kind of signal, one by one and in hundreds.

    The goal is for one upsert per signal. What opens an incident each writes a dozen rows and asks the
    policy, and no platform opens incidents by the thousand: that figure is to be compared with its last one.
    """
    store = SqlStore(url)
    store.migrate()
    library = Library(REPOSITORY / "include", fresh_for=1.0)
    intake = Intake(
        store, library.rules, PolicyBook(library), library.grouping, library.windows
    )  # as bootstrap wires it
    intake.receive([_signal(0, "first", "same")], _START)
    floor = Floor(url)
    schema = "" if url.startswith("sqlite") else "incident_response."
    floor.copy_rows({table: query.format(s=schema) for table, query in _ROWS.items()})
    for kind, make in KINDS.items():
        for size, calls in ((1, 20), (100, 1)):
            seconds = alternate(
                {"floor": _subject(floor.open if kind == _OPENING else floor.receive, make, size, calls),
                 "intake": _subject(lambda signals: intake.receive(signals, _START), make, size, calls)},
                rounds,
            )  # fmt: skip
            signals = size * calls
            name = f"intake, {database}, {kind}, {'single' if size == 1 else f'batch of {size}'}"
            found = at_least(name, signals / seconds["intake"], signals / seconds["floor"], _GOAL)
            yield informational(found) if kind == _OPENING else found
    floor.close()
    store.close()


def _subject(
    receive: Callable[[list[Signal]], object], make: Make, size: int, calls: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    """`calls` calls with `size` signals each. The signals are made beforehand, their fingerprints are not."""
    waiting: list[list[Signal]] = []

    def prepare() -> None:
        waiting[:] = [[make(next(_numbers)) for _ in range(size)] for _ in range(calls)]

    def run() -> None:
        for signals in waiting:
            receive(signals)

    return prepare, run
