"""The whole campaign: `make campaign`. Ends with 1 when a promise was broken."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path

from tests.support.airflow import Airflow
from tests.support.postgres import PostgresServer

from . import real
from .campaign import Outcome, numbered
from .drawing import draw
from .shrinking import shrunk

_SHOWN = 20


def main() -> int:
    """Figures, and each fault with the smallest pipeline that shows it."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pipelines", type=int, default=10_000, help="in memory")
    parser.add_argument("--real", type=int, default=200, help="of them in a real Airflow, too")
    parser.add_argument("--jobs", type=int, default=2, help="processes that work in memory")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"== campaign on Airflow {metadata.version('apache-airflow')}, seed {asked.seed}", flush=True)
    wrong = in_memory(asked.seed, asked.pipelines, asked.jobs)
    if asked.real:
        wrong += in_airflow(asked.seed, asked.real, max(asked.pipelines, asked.real))
    return 1 if wrong else 0


def in_memory(seed: int, count: int, jobs: int) -> int:
    """How many pipelines show a fault."""
    begun, wrong, figures = time.monotonic(), 0, Counter[str]()
    with ProcessPoolExecutor(jobs, initializer=_quiet) as pool:
        for number, outcome in enumerate(_outcomes(pool, seed, count)):
            figures.update(_told(outcome))
            if outcome.faults:
                wrong += 1
                _report(seed, number, outcome, shrink=wrong <= _SHOWN)
    parts = ", ".join(f"{number} {what}" for what, number in sorted(figures.items()))
    print(f"{count} pipelines in memory: {parts}; {wrong} with faults; {time.monotonic() - begun:.0f} s")
    return wrong


def in_airflow(seed: int, count: int, of: int) -> int:
    """How many disagreements with the model there are."""
    begun = time.monotonic()
    drawn = list(real.drawn(seed, count, of))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files = real.write(folder, [pipeline for pipeline, _ in drawn])
        with PostgresServer(folder / "postgres") as server:
            airflow = Airflow(
                folder / "airflow",
                database=server.create_database("airflow"),
                project=False,
                parallelism=4,
                dags=files,
                config=real.CONFIG,
            )
            with airflow:
                found = 0
                for said in real.disagreements(airflow, drawn):
                    print(said, flush=True)
                    found += 1
    proven = sum(ending.proven for _, ending in drawn)
    took = time.monotonic() - begun
    print(f"{len(drawn)} pipelines in Airflow, {proven} proven: {found} disagreements; {took:.0f} s")
    return found


def _outcomes(pool: ProcessPoolExecutor, seed: int, count: int) -> Iterable[Outcome]:
    return pool.map(numbered, [seed] * count, range(count), chunksize=25)


def _told(outcome: Outcome) -> list[str]:
    told = ["with failures"] if outcome.hurt else []
    told += ["for a person to approve"] if outcome.story.asked else []
    told += ["refused"] if outcome.story.refused else []
    return [*told, "proven" if outcome.story.proven else "not proven"]


def _report(seed: int, number: int, outcome: Outcome, *, shrink: bool) -> None:
    print(f"{outcome.pipeline.name}: {'; '.join(outcome.faults[:3])}", flush=True)
    if shrink:
        small, said = shrunk(draw(seed, number), f"{seed}/{number}/order", outcome.faults[0])
        print(f"    smallest: {small.data()}\n    {said}", flush=True)


def _quiet() -> None:
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
