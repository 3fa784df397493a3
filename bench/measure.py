"""Measuring side by side: subjects take turns, so that what slows the machine down slows all of them down."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

_INFORMATIONAL = ", informational"


@dataclass(frozen=True)
class Figure:
    """One line of the results. `floor` is the least possible; `ratio` is what `goal` speaks about."""

    name: str
    value: float
    unit: str
    floor: float
    ratio: float
    goal: str
    holds: bool

    def as_json(self) -> dict[str, Any]:
        """Rounded to what the measurement is worth."""
        return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in asdict(self).items()}


def alternate(subjects: Mapping[str, Sequence[Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Median seconds of one round of each subject; `rounds` rounds, one subject after the other in each.

    A subject is (prepare, run): only `run` is timed, and its return value is not looked at.
    """
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    gc.freeze()  # what was there before is not searched again in the middle of a measurement
    for number in range(rounds + 2):
        for name, (prepare, run) in subjects.items():
            prepare()
            started = time.perf_counter()
            run()
            spent = time.perf_counter() - started
            if number >= 2:  # the first rounds warm caches up
                seconds[name].append(spent)
    gc.unfreeze()
    return {name: statistics.median(values) for name, values in seconds.items()}


def at_least(name: str, per_second: float, floor_per_second: float, goal: float) -> Figure:
    """A throughput that has to reach `goal` of the floor's."""
    ratio = per_second / floor_per_second
    return Figure(name, per_second, "signals/s", floor_per_second, ratio, f"≥ {goal:g}", ratio >= goal)


def grows_less(name: str, value: float, floor: float, goal: float, unit: str = "ms") -> Figure:
    """A cost that may grow by less than `goal`."""
    ratio = value / floor
    return Figure(name, value, unit, floor, ratio, f"< {goal:g}", ratio < goal)


def informational(figure: Figure) -> Figure:
    """The figure beside a goal that nobody has set: `holds` tells the truth, and a miss is not marked."""
    return replace(figure, goal=f"{figure.goal}{_INFORMATIONAL}")


def table(figures: Sequence[Figure]) -> str:
    """For a terminal."""
    width = max((len(figure.name) for figure in figures), default=0)
    lines = [f"{'':{width}}  {'value':>10}  {'floor':>10}  {'ratio':>6}  goal"]
    for figure in figures:
        mark = "" if figure.holds or figure.goal.endswith(_INFORMATIONAL) else "  MISSED"
        lines.append(
            f"{figure.name:{width}}  {figure.value:>10.4g}  {figure.floor:>10.4g}  {figure.ratio:>6.2f}  "
            f"{figure.goal} ({figure.unit}){mark}"
        )
    return "\n".join(lines)
