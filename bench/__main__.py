"""python -m bench [--quick] [intake|hooks|tick|repair]: measure, print a table, write bench/results.json.

What was not measured keeps its figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import REPOSITORY, hooks, intake, repair, tick
from bench.measure import Figure, table
from tests.support.postgres import PostgresServer

_PARTS = ("intake", "hooks", "tick", "repair")


@contextmanager
def databases() -> Iterator[dict[str, Callable[[str], str]]]:
    """By kind of database: what makes one of a name and gives its URL. Both write through to the disk."""
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".cache") as folder:
        place = Path(folder)
        with PostgresServer(place / "postgres", fsync=True) as server:
            yield {
                "SQLite": lambda name: f"sqlite:///{place / name}.db",
                "PostgreSQL": server.create_database,
            }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=_PARTS, help="only this one")
    parser.add_argument("--quick", action="store_true", help="few rounds: for a look, not for a comparison")
    options = parser.parse_args()
    rounds = 8 if options.quick else 40
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    figures: list[Figure] = []
    parts = (options.part,) if options.part else _PARTS
    with tempfile.TemporaryDirectory(dir=REPOSITORY / ".cache") as place, databases() as kinds:
        folder = Path(place)
        for database, url_of in kinds.items():
            if "intake" in parts:
                figures += intake.figures(database, url_of("intake"), rounds)
            if "hooks" in parts:
                figures += hooks.figures(database, url_of("hooks"), folder / database, max(3, rounds // 4))
            if "tick" in parts:
                figures += tick.figures(database, url_of, rounds)
        if "repair" in parts:
            figures += repair.figures(folder / "repair", max(2, rounds // 8))
    print(table(figures))
    results = REPOSITORY / "bench" / "results.json"
    others = [old for old in json.loads(results.read_text()) if not old["name"].startswith(parts)]
    measured = [*others, *(figure.as_json() for figure in figures)]
    results.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n")
    return 0  # a figure is never a failure: machines differ, a person compares


if __name__ == "__main__":
    sys.exit(main())
