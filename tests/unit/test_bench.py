"""The bench on a machine that lacks something: what one part cannot measure loses no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as bench
from bench.measure import Figure


def figure(name: str) -> Figure:
    return Figure(name, 1.0, "s", 1.0, 1.0, "≥ 1", holds=True)


def test_what_cannot_be_measured_is_told_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server, an engine that is missing, and a part that breaks in the middle."""

    def halfway(database: str, *_: Any) -> Iterator[Figure]:
        yield figure(f"tick, {database}, first")
        raise RuntimeError("no space left")

    def absent(*_: Any) -> Any:
        raise FileNotFoundError("dockerd")

    parts = {
        "intake": SimpleNamespace(figures=lambda database, *_: [figure(f"intake, {database}, new")]),
        "tick": SimpleNamespace(figures=halfway),
        "repair": SimpleNamespace(figures=absent),
    }
    monkeypatch.setattr(bench, "_part", parts.__getitem__)
    monkeypatch.setattr(bench.Bench, "_server", absent)
    measured = bench.Bench(("intake", "tick", "repair"), tmp_path, 8)
    measured.run()
    assert [one.name for one in measured.figures] == ["intake, SQLite, new", "tick, SQLite, first"]
    assert measured.lost["repair"] == "FileNotFoundError: dockerd"
    assert set(measured.lost) == {"intake, PostgreSQL", "tick, PostgreSQL", "tick, SQLite", "repair"}
    before = [
        {"name": name}
        for name in ("intake, SQLite, old", "tick, SQLite, first", "tick, SQLite, second", "repair, steps")
    ]
    names = [row["name"] for row in bench.written(before, measured)]
    assert names == [
        "tick, SQLite, second", "repair, steps",  # of before
        "intake, SQLite, new", "tick, SQLite, first",
        "tick, SQLite", "intake, PostgreSQL", "tick, PostgreSQL", "repair",  # with their reasons
    ]  # fmt: skip
    again = bench.Bench(("repair",), tmp_path, 8)
    parts["repair"] = SimpleNamespace(figures=lambda *_: [figure("repair, steps")])
    again.run()
    rows = bench.written(bench.written(before, measured), again)
    assert not [row for row in rows if row["name"] == "repair"]
