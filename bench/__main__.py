"""python -m bench [--quick] [intake|hooks|tick|repair]: measure, print a table, write bench/results.json.

What was not measured keeps its figures; what could not be is written with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.measure import Figure, table

_PARTS = ("intake", "hooks", "tick", "repair")


class Bench:
    """Measures one part after the other; one that cannot be measured loses no other."""

    def __init__(self, parts: Sequence[str], folder: Path, rounds: int) -> None:
        self._parts, self._folder, self._rounds = parts, folder, rounds
        self.figures: list[Figure] = []
        self.measured: list[str] = []  # what was measured as a whole: how its figures' names begin
        self.lost: dict[str, str] = {}  # what could not be measured, and why

    def run(self) -> None:
        """All that is asked for. Both databases write through to the disk."""
        self._databases("SQLite", lambda name: f"sqlite:///{self._folder / name}.db")
        with ExitStack() as stack:
            parts = [f"{part}, PostgreSQL" for part in self._of_databases]
            if parts and (server := self._try(parts, lambda: self._server(stack))) is not None:
                self._databases("PostgreSQL", server.create_database)
        if "repair" in self._parts:
            rounds = max(2, self._rounds // 8)
            self._measure("repair", lambda: _part("repair").figures(self._folder / "repair", rounds))

    @property
    def _of_databases(self) -> list[str]:
        return [part for part in self._parts if part != "repair"]

    def _server(self, stack: ExitStack) -> Any:
        from tests.support.postgres import PostgresServer

        return stack.enter_context(PostgresServer(self._folder / "postgres", fsync=True))

    def _databases(self, database: str, url_of: Callable[[str], str]) -> None:
        few = max(3, self._rounds // 4)
        ways: dict[str, Callable[[Any], Iterable[Figure]]] = {
            "intake": lambda part: part.figures(database, url_of("intake"), self._rounds),
            "hooks": lambda part: part.figures(database, url_of("hooks"), self._folder / database, few),
            "tick": lambda part: part.figures(database, url_of, self._rounds),
        }
        for name in self._of_databases:
            self._measure(f"{name}, {database}", lambda name=name: ways[name](_part(name)))  # type: ignore[misc]

    def _measure(self, what: str, measure: Callable[[], Iterable[Figure]]) -> None:
        # As they come: those before the failure are kept.
        if self._try([what], lambda: [self.figures.append(figure) for figure in measure()]) is not None:
            self.measured.append(what)

    def _try(self, what: Sequence[str], call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever this machine lacks: it is told, the others go on
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            self.lost |= dict.fromkeys(what, reason)
            print(f"not measured: {'; '.join(what)}: {reason}", file=sys.stderr)
            return None


def _part(name: str) -> Any:
    """Loaded when it is measured: what it needs may be missing."""
    return import_module(f"bench.{name}")


def written(before: Sequence[Mapping[str, Any]], bench: Bench) -> list[Mapping[str, Any]]:
    """The figures of before, with the new ones in the place of theirs, and why others are missing."""
    fresh = [figure.as_json() for figure in bench.figures]
    names = {*bench.lost, *(figure["name"] for figure in fresh)}
    whole = tuple(bench.measured)
    kept = [old for old in before if old["name"] not in names and not old["name"].startswith(whole)]
    return [*kept, *fresh, *({"name": name, "not_measured": why} for name, why in bench.lost.items())]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=_PARTS, help="only this one")
    parser.add_argument("--quick", action="store_true", help="few rounds: for a look, not for a comparison")
    options = parser.parse_args()
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    parts = (options.part,) if options.part else _PARTS
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".cache") as place:
        bench = Bench(parts, Path(place), 8 if options.quick else 40)
        bench.run()
    print(table(bench.figures))
    results = REPOSITORY / "bench" / "results.json"
    before = json.loads(results.read_text()) if results.exists() else []
    results.write_text(json.dumps(written(before, bench), indent=2, ensure_ascii=False) + "\n")
    return 0  # a figure is never a failure: machines differ, a person compares


if __name__ == "__main__":
    sys.exit(main())
