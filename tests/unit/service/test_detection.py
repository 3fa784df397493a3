"""Detection: blindness is trouble, a source that is not defined is none, and who hangs hangs alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from incident_response.bootstrap import make_library
from incident_response.detectors.registry import ALWAYS, Detectors
from incident_response.domain.errors import AirflowUnavailable, NotConfigured
from incident_response.domain.incidents import Status
from incident_response.domain.records import NOT_CONFIGURED, Poll
from incident_response.domain.severities import Severity
from incident_response.service.detection import FAILING, Detection
from incident_response.settings import Settings
from tests.support.house import House, Watcher
from tests.support.shipped import INCLUDE

HALF_MINUTE = timedelta(seconds=30)


@pytest.fixture
def house() -> House:
    return House()


def look(house: House, times: int = 1) -> None:
    """Let the watcher look in its rhythm."""
    for _ in range(times):
        house.detection.poll(house.now, "test")
        house.now += HALF_MINUTE


def incidents(house: House) -> list[tuple[str, Severity, Status]]:
    with house.store.read() as tx:
        return [(r.incident.service, r.incident.severity, r.incident.status) for r in tx.board(10)]


def row(house: House, name: str = "watcher") -> Poll:
    with house.store.read() as tx:
        return next(poll for poll in tx.polls() if poll.name == name)


def test_three_looks_without_an_answer_are_one_p3_and_an_answer_ends_it(house: House) -> None:
    """Not after two, and once: the looks that follow only count."""
    house.watcher.error = AirflowUnavailable("no answer")
    look(house, 2)
    assert incidents(house) == []
    look(house, 4)
    assert incidents(house) == [("watcher", Severity.P3, Status.TRIGGERED)]
    with house.store.read() as tx:
        (seen,) = tx.sightings(1)
    assert (seen.labels["alertname"], seen.count, row(house).failures) == (FAILING, 1, 6)

    house.watcher.error = None
    look(house)
    assert incidents(house) == [("watcher", Severity.P3, Status.MITIGATED)]
    assert (row(house).failures, row(house).error) == (0, "")


def test_two_failures_and_an_answer_are_no_trouble(house: House) -> None:
    """The count begins anew."""
    for error in (AirflowUnavailable("no answer"), None, AirflowUnavailable("no answer")):
        house.watcher.error = error
        look(house, 2 if error else 1)
    assert incidents(house) == []


def test_a_bug_counts_like_a_source_that_does_not_answer(house: House) -> None:
    """Its words stay in the log: they may hold anything."""
    house.watcher.error = ValueError("password=hunter2")
    look(house, 3)
    assert incidents(house) == [("watcher", Severity.P3, Status.TRIGGERED)]
    assert "hunter2" not in row(house).error


def test_what_is_not_configured_never_counts(house: House) -> None:
    """Nobody wants it yet; its row says so."""
    house.watcher.error = NotConfigured("the connection is not defined")
    look(house, 30)
    assert incidents(house) == []
    assert row(house).failures == 0
    assert row(house).error.startswith(NOT_CONFIGURED)


@dataclass
class Hanging(Watcher):
    """A detector whose source takes the question and never answers."""

    name: str = "hanging"
    released: threading.Event = field(default_factory=threading.Event)

    def poll(self, cursor, now):
        self.released.wait(10)
        return super().poll(cursor, now)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    detector = Hanging()
    yield detector
    detector.released.set()


def test_a_hanging_detector_holds_back_neither_the_others_nor_the_caller(hanging: Hanging) -> None:
    """The caller waits no longer than its patience; what hangs keeps its claim, and ends when it ends."""
    house = House()
    detectors = {name: Watcher(name) for name in ("one", "two")} | {"hanging": hanging}
    detection = Detection(house.store, lambda: detectors, house.intake, lambda: house.now)

    began = time.monotonic()
    assert detection.poll(house.now, "test", patience=0.3) == 3
    assert 0.2 < time.monotonic() - began < 3
    assert [detectors[name].polled for name in ("one", "two")] == [1, 1]

    house.now += HALF_MINUTE
    assert detection.poll(house.now, "test", patience=0.3) == 2
    assert [detectors[name].polled for name in ("one", "two")] == [2, 2]
    assert row(house, "hanging").last_ok_at is None

    hanging.released.set()
    deadline = time.monotonic() + 5
    while row(house, "hanging").last_ok_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert hanging.polled == 1


def test_a_changed_file_is_taken_over_without_a_restart(tmp_path) -> None:
    """New sources get rows and a turn at once, those that are gone lose theirs, a new rhythm counts now."""
    import shutil

    include = shutil.copytree(INCLUDE, tmp_path / "include")
    house = House()
    settings = Settings(include_folder=str(include), spool_folder=str(tmp_path))
    library = make_library(settings)
    detectors = Detectors(library.sources, lambda conn_id: None, None, settings)  # type: ignore[arg-type]
    detection = Detection(house.store, detectors.current, house.intake, lambda: house.now)

    def write(**intervals: str) -> None:
        sources = "".join(
            f"\n  - {{name: {n}, kind: prometheus, interval: {s}}}" for n, s in intervals.items()
        )
        (include / "policy" / "detectors.yaml").write_text(f"version: 1\nsources:{sources}\n")

    def rows() -> dict[str, float]:
        detection.ensure(house.now)
        with house.store.read() as tx:
            return {p.name: p.interval.total_seconds() for p in tx.polls() if p.name not in ALWAYS}

    write(first="30 s")
    assert rows() == {"first": 30}
    write(first="10 s", second="1 min")
    deadline = time.monotonic() + 5  # the library looks at its files once a second
    while rows() != {"first": 10, "second": 60}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    write(second="1 min")
    while rows() != {"second": 60}:
        assert time.monotonic() < deadline + 5
        time.sleep(0.05)
