"""Failed task instances and failed runs, and those among them that are green again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from incident_response.domain.pipeline_signals import (
    Attempt,
    run_failed,
    run_recovered,
    task_failed,
    task_recovered,
)
from incident_response.domain.signals import Signal

from .airflow_listing import FailedTask, Listing, Run
from .airflow_memory import FailedRun, Key, Memory

# A worker's clock may be wrong, and the state of a task that ended while the API server was away comes late.
OVERLAP = timedelta(minutes=10)
_MOST_TASKS = 1000  # per scan; the next one goes on where this one ended
_MOST_RUNS = 300
_AS_A_WHOLE = "none of its tasks failed, it was stopped as a whole (time limit, deadlock, or by a person)"


class FailureScan:
    """Reports each failed try once; tries with retries left and upstream_failed have other states."""

    def __init__(self, listing: Listing, source: str, opt_out_tag: str) -> None:
        self._listing, self._source, self._opt_out_tag = listing, source, opt_out_tag

    def look(self, memory: Memory, now: datetime) -> list[Signal]:
        """What failed and recovered since `memory.since`; moves that on as far as everything was seen."""
        since, before = memory.since, frozenset(memory.failed)
        tasks = self._listing.failed_tasks(since, _MOST_TASKS)
        runs = self._listing.failed_runs(since, _MOST_RUNS)
        signals: list[Signal] = []
        ends = [
            self._tasks(tasks.rows, memory, signals),
            self._runs(runs.rows, {_key(row.attempt) for row in tasks.rows}, memory, signals),
            tasks.rows[-1].ended_at if not tasks.complete and tasks.rows else None,
            runs.rows[-1].ended_at if not runs.complete and runs.rows else None,
        ]
        if before:
            self._recovered(before, since, memory, signals)
        memory.since = min((end for end in ends if end), default=max(since, now - OVERLAP))
        return signals

    def _tasks(self, rows: Sequence[FailedTask], memory: Memory, signals: list[Signal]) -> datetime | None:
        """Returns the end of the row it had no time for."""
        for row in rows:
            if memory.knows(row.attempt):
                continue
            if self._listing.spent:
                return row.ended_at
            self._report(row, row.ended_at or memory.since, memory, signals)
        return None

    def _runs(
        self, rows: Sequence[Run], with_failed_tasks: Collection[Key], memory: Memory, signals: list[Signal]
    ) -> datetime | None:
        """Reports a run that no failed task speaks for. Returns the end of the row it had no time for."""
        for run in rows:
            known = memory.failed.get(run.key)
            if run.ended_at is None or (known and known.judged == run.ended_at):
                continue
            if self._listing.spent:
                return run.ended_at
            facts = self._listing.facts(run.dag_id)
            if facts.ignored(self._opt_out_tag):
                continue
            known = memory.failed.setdefault(run.key, FailedRun())
            known.judged = run.ended_at
            if run.key in with_failed_tasks:
                continue
            # Its tasks may have failed long before it ended, before the time that was listed.
            failed = self._listing.failed_tasks_of(run.key)
            for row in failed:
                self._report(row, row.ended_at or run.ended_at, memory, signals)
            if not failed:
                signals.append(
                    run_failed(
                        self._source,
                        *run.key,
                        run.ended_at,
                        facts,
                        reason=_AS_A_WHOLE,
                        logical_date=run.logical_date,
                    )
                )
        return None

    def _report(self, row: FailedTask, at: datetime, memory: Memory, signals: list[Signal]) -> None:
        facts = self._listing.facts(row.attempt.dag_id)
        if memory.knows(row.attempt) or facts.ignored(self._opt_out_tag):
            return
        memory.add(row.attempt)
        signals.append(
            task_failed(
                self._source, row.attempt, at, facts, max_tries=row.max_tries, logical_date=row.logical_date
            )
        )

    def _recovered(
        self, before: Collection[Key], since: datetime, memory: Memory, signals: list[Signal]
    ) -> None:
        """Runs that were reported and are well now: green, and nothing in them failed or was cut off."""
        green = self._listing.green_runs({dag_id for dag_id, _ in before}, since, _MOST_RUNS)
        for run in green.rows:
            known = memory.failed.get(run.key)
            if known is None or run.ended_at is None or known.judged == run.ended_at:
                continue
            health = self._listing.health(run)
            proof = f"Run {run.run_id} of {run.dag_id} is green since {run.ended_at:%Y-%m-%d %H:%M:%S} UTC"
            # A run may be green although a task failed, also when its author meant it so: it stays failed.
            for task in [task for task in known.tasks if health.is_repaired(task)]:
                attempt = Attempt(*run.key, *task, known.tasks.pop(task))
                signals.append(task_recovered(self._source, attempt, run.ended_at, proof))
            if known.tasks or not health.is_well:
                continue
            if failed_at := known.judged:
                # Also when only a DAG's callback reported the run: what it said must not stay open.
                signals.append(run_recovered(self._source, *run.key, run.ended_at, failed_at, proof))
            del memory.failed[run.key]


def _key(attempt: Attempt) -> Key:
    return attempt.dag_id, attempt.run_id
