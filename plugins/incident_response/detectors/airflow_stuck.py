"""Runs that run for too long: by a fixed limit, or measured by what the same DAG usually takes.

A stuck task needs no look of its own: its run has been running at least as long.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from incident_response.domain.pipeline_signals import run_stuck, run_unstuck
from incident_response.domain.signals import Signal

from .airflow_listing import Listing, Run
from .airflow_memory import Memory

_MOST_RUNS = 300
_LEAST_HISTORY = 3  # one quick run is no habit


class StuckScan:
    """State-like: reported when the limit passes, resolved when the run runs no more."""

    def __init__(
        self,
        listing: Listing,
        source: str,
        opt_out_tag: str,
        *,
        after: timedelta,
        factor: float,
        least: timedelta,
    ) -> None:
        self._listing, self._source, self._opt_out_tag = listing, source, opt_out_tag
        self._after, self._factor, self._least = after, factor, least

    def look(self, memory: Memory, now: datetime) -> list[Signal]:
        """Runs that got stuck, and those that are no more."""
        running = self._listing.running_runs(now - min(self._after, self._least), _MOST_RUNS)
        usual: dict[str, timedelta | None] = {}
        signals: list[Signal] = []
        for run in running.rows:
            if run.started_at is None or run.key in memory.stuck:
                continue
            if self._listing.spent:
                break
            facts = self._listing.facts(run.dag_id)
            if facts.ignored(self._opt_out_tag):
                continue
            if run.dag_id not in usual:
                usual[run.dag_id] = self._usual(run.dag_id)
            limit, because = self._limit(usual[run.dag_id])
            if now - run.started_at < limit:
                continue
            memory.stuck[run.key] = run.started_at
            tasks = self._listing.unfinished_tasks_of(run.key)
            signals.append(
                run_stuck(
                    self._source,
                    *run.key,
                    run.started_at,
                    now,
                    facts,
                    limit=limit,
                    because=because,
                    tasks=tasks,
                )
            )
        return signals + self._freed({run.key: run for run in running.rows}, memory, now)

    def _freed(self, running: dict[tuple[str, str], Run], memory: Memory, now: datetime) -> list[Signal]:
        signals = []
        for key, started_at in list(memory.stuck.items()):
            run = running.get(key) or (None if self._listing.spent else self._listing.run(key))
            if run is None and self._listing.spent:
                break
            if run and run.state == "running" and run.started_at == started_at:
                continue
            del memory.stuck[key]
            proof = f"Run {key[1]} of {key[0]} {_what_became_of(run)}"
            at = max(started_at, run.ended_at) if run and run.ended_at else now
            signals.append(run_unstuck(self._source, *key, at, started_at, proof))
        return signals

    def _usual(self, dag_id: str) -> timedelta | None:
        durations = self._listing.usual_durations(dag_id)
        if len(durations) < _LEAST_HISTORY:
            return None
        return timedelta(seconds=median(duration.total_seconds() for duration in durations))

    def _limit(self, usual: timedelta | None) -> tuple[timedelta, str]:
        """The earlier of the two limits, and where it comes from."""
        fixed = (self._after, f"longer than {self._after.total_seconds() / 3600:g} h")
        if usual is None:
            return fixed
        by_habit = max(usual * self._factor, self._least)
        why = f"longer than {self._factor:g} times its usual {usual.total_seconds() / 60:.0f} min"
        return min(fixed, (by_habit, why), key=lambda limit: limit[0])


def _what_became_of(run: Run | None) -> str:
    if run is None:
        return "was deleted"
    if run.state in ("success", "failed"):
        return f"ended in state {run.state}"
    return "was started anew"
