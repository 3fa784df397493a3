"""The spool loses nothing, gives nothing out twice, and does not choke on what it cannot read."""

from __future__ import annotations

import os
import stat
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.signals import Signal
from incident_response.spool import ABANDONED_AFTER, FileSpool

TEXT = st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SIGNALS = st.builds(
    Signal,
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=4),
    TEXT,
    st.datetimes(
        datetime(2020, 1, 1),  # noqa: DTZ001 — hypothesis adds the zone
        timezones=st.just(timezone.utc) | st.just(timezone(timedelta(hours=5, minutes=30))),
    ),
    st.booleans(),
    TEXT,
    st.dictionaries(TEXT, JSON, max_size=3),
)


def signal(name: str = "x") -> Signal:
    return Signal("callback", {"alertname": name}, name, datetime(2026, 3, 1, tzinfo=timezone.utc))


class Wall:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now += 0.000_001
        return self.now


@given(signals=st.lists(SIGNALS, min_size=1, max_size=4))
def test_what_is_put_comes_out_unchanged(
    tmp_path_factory: pytest.TempPathFactory, signals: list[Signal]
) -> None:
    """Whatever characters a pipeline's error message holds."""
    spool = FileSpool(tmp_path_factory.mktemp("spool"))
    spool.put(signals)

    [(name, taken)] = list(spool.take(10))

    assert list(taken) == signals
    assert name


def test_files_come_oldest_first_and_once(tmp_path: Path) -> None:
    """A done file is gone; `limit` is kept."""
    spool = FileSpool(tmp_path / "spool", wall=Wall())
    for number in range(5):
        spool.put([signal(str(number))])

    seen = []
    for name, signals in spool.take(3):
        seen.append(signals[0].name)
        spool.done(name)

    assert seen == ["0", "1", "2"]
    assert spool.waiting() == 2


def test_a_file_that_was_not_finished_waits_again(tmp_path: Path) -> None:
    """The store went away in the middle: the rest and this one are for the next tick."""
    spool = FileSpool(tmp_path)
    spool.put([signal("a")])
    spool.put([signal("b")])

    def give_up() -> None:
        for _ in spool.take(10):
            raise RuntimeError("the store is away")

    with pytest.raises(RuntimeError):
        give_up()

    assert [signals[0].name for _, signals in spool.take(10)] == ["a", "b"]


def test_two_clocks_never_take_the_same_file(tmp_path: Path) -> None:
    """While one works on it, and when both look at the same moment."""
    for number in range(200):
        FileSpool(tmp_path).put([signal(str(number))])
    taken: list[str] = []

    def clock() -> None:
        spool = FileSpool(tmp_path)
        for name, signals in spool.take(1000):
            taken.append(signals[0].name)
            spool.done(name)

    threads = [threading.Thread(target=clock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(int, taken)) == list(range(200))
    assert FileSpool(tmp_path).waiting() == 0


def test_what_a_dead_clock_took_is_taken_again_after_a_minute(tmp_path: Path) -> None:
    """And not before."""
    wall = Wall()
    dead, alive = FileSpool(tmp_path, wall=wall), FileSpool(tmp_path, wall=wall)
    dead.put([signal()])
    held = dead.take(1)
    next(held)  # taken, and the process dies here

    assert list(alive.take(10)) == []
    wall.now += ABANDONED_AFTER - 1
    assert list(alive.take(10)) == []
    wall.now += 2
    assert len(list(alive.take(10))) == 1
    assert alive.waiting() == 1


def test_what_a_dying_task_left_half_written_is_set_aside_later(tmp_path: Path) -> None:
    """It may still be in the writing; after a minute it is not."""
    wall = Wall()
    spool = FileSpool(tmp_path, wall=wall)
    name = spool.put([signal()])
    (tmp_path / name).rename(tmp_path / f"{name}.tmp")
    (tmp_path / f"{name}.tmp").write_text('{"version": 1, "sig')

    assert list(spool.take(10)) == []
    wall.now += ABANDONED_AFTER + 1
    assert list(spool.take(10)) == []

    assert "it is no JSON" in (tmp_path / "set_aside" / f"{name}.error").read_text()
    assert (tmp_path / "set_aside" / name).read_text() == '{"version": 1, "sig'
    assert (spool.waiting(), spool.set_aside_count()) == (0, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"version": 2, "signals": []}',
        b'{"version": 1}',
        b'{"version": 1, "signals": [1]}',
        b'{"version": 1, "signals": [{}]}',
        b"[" * 100_000,
        b'{"version": 1, "signals": [{"source": "x", "labels": {"a": 1}, "summary": "s", "firing": true,'
        b' "occurred_at": "2026-03-01T00:00:00+00:00", "occurrence": "", "details": {}}]}',
        b'{"version": 1, "signals": [{"source": "x", "labels": {}, "summary": "s", "firing": true,'
        b' "occurred_at": "2026-03-01T00:00:00", "occurrence": "", "details": {}}]}',
    ],
)
def test_what_holds_no_signals_is_set_aside_once(tmp_path: Path, content: bytes) -> None:
    """With the reason beside it; the good file behind it is taken all the same."""
    spool = FileSpool(tmp_path, wall=Wall())
    bad = spool.put([signal("bad")])
    (tmp_path / bad).write_bytes(content)
    spool.put([signal("good")])

    taken = [signals[0].name for _, signals in spool.take(10)]

    assert taken == ["good"]
    assert (tmp_path / "set_aside" / bad).read_bytes() == content
    assert (tmp_path / "set_aside" / f"{bad}.error").stat().st_size
    assert bad not in [match.name for match in tmp_path.iterdir()]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """An editor's copy, a README, a folder."""
    (tmp_path / "README").write_text("hands off")
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "folder.json").mkdir()
    spool = FileSpool(tmp_path)

    assert list(spool.take(10)) == []
    assert spool.waiting() == 0


def test_the_group_may_read_and_take_what_others_wrote(tmp_path: Path) -> None:
    """Whatever the umask of the worker; the world may not."""
    old = os.umask(0o077)
    try:
        spool = FileSpool(tmp_path / "logs" / "spool")
        name = spool.put([signal()])
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "logs" / "spool").stat().st_mode) == 0o2770
    assert stat.S_IMODE((tmp_path / "logs" / "spool" / name).stat().st_mode) == 0o660


def test_a_folder_that_cannot_be_written_is_told_to_the_writer(tmp_path: Path) -> None:
    """The guard then logs the signal itself."""
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="file"):
        FileSpool(tmp_path / "file").put([signal()])


def test_a_folder_that_cannot_be_read_does_not_stop_the_clock(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages must go out."""
    (tmp_path / "file").write_text("")
    spool = FileSpool(tmp_path / "file")

    assert list(spool.take(10)) == []
    assert spool.waiting() == 0
    assert "must be mended" in caplog.text


def test_nothing_was_ever_spooled(tmp_path: Path) -> None:
    """The usual case costs one look at a folder that is not there."""
    spool = FileSpool(tmp_path / "never")

    assert list(spool.take(10)) == []
    assert (spool.waiting(), spool.set_aside_count()) == (0, 0)


def test_twelve_thousand_files_are_looked_through_quickly(tmp_path: Path) -> None:
    """A store that was away for a day must not make each tick slow."""
    template = FileSpool(tmp_path).put([signal()])
    content = (tmp_path / template).read_bytes()
    for number in range(12_000):
        (tmp_path / f"{number:019d}-{number:012x}.json").write_bytes(content)
    spool = FileSpool(tmp_path)

    started = time.perf_counter()
    names = [name for name, _ in spool.take(200)]
    took = time.perf_counter() - started

    assert len(names) == 200
    assert names[0].startswith("0" * 19)
    assert took < 1
