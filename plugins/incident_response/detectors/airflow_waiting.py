"""Do Airflow's tasks wait too long, are they too many, is a pool starved?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.signals import Signal
from incident_response.domain.times import in_words
from incident_response.sources.airflow_health import AirflowHealthSource

from .airflow_finding import finding
from .airflow_queue import Line, Pool, QueueListing, Waiting

_SAMPLE = 10


class WaitingTasks:
    """Judges one look. `memory` is a part of the detector's: whether the queue was long, and pools full."""

    def __init__(
        self, source: AirflowHealthSource, listing: QueueListing, memory: Mapping[str, Any], now: datetime
    ) -> None:
        self._source, self._listing, self._now = source, listing, now
        self._was_long = bool(memory.get("long"))
        self._was_full: Mapping[str, int] = memory.get("full") or {}
        self.memory: dict[str, Any] = {}  # for the next look, when this one came to its end

    def look(self) -> list[Signal]:
        """All that fires. Raises AirflowUnavailable and AirflowRefused when tasks cannot be listed."""
        lines = {state: self._listing.waiting(state) for state in ("queued", "scheduled")}
        paused = self._listing.paused(self._in_question(lines))
        idle = [row for row in lines["scheduled"].rows if row.dag_id in paused]
        rows = [*lines["queued"].rows, *(row for row in lines["scheduled"].rows if row.dag_id not in paused)]
        late = sorted(filter(self._is_late, rows), key=lambda row: row.since)
        totals = {"queued": lines["queued"].total, "scheduled": lines["scheduled"].total - len(idle)}
        length = sum(totals[state] for state in self._source.states)
        return [*self._too_long(late), *self._too_many(length), *self._starved(late)]

    def _in_question(self, lines: Mapping[str, Line]) -> set[str]:
        """DAGs of which it matters whether they are paused; none while little waits."""
        everything = sum(line.total for line in lines.values()) * 2 >= self._source.queue_length
        return {row.dag_id for row in lines["scheduled"].rows if everything or self._is_late(row)}

    def _is_late(self, row: Waiting) -> bool:
        return self._now - row.since > self._source.queued_longer

    def _too_long(self, late: Sequence[Waiting]) -> list[Signal]:
        late = [row for row in late if row.state in self._source.states]
        if not late:
            return []
        many = f"{len(late)} tasks have" if len(late) > 1 else "A task has"
        summary = (
            f"{many} waited for longer than {in_words(self._source.queued_longer)}; "
            f"{late[0].name} for {in_words(self._now - late[0].since)} ({late[0].state})"
        )
        details = {"count": len(late), "tasks": self._sample(late)}
        return [self._finding("AirflowTasksQueuedTooLong", summary, details, at=late[0].since)]

    def _too_many(self, length: int) -> list[Signal]:
        limit = self._source.queue_length
        is_long = length >= limit or (self._was_long and length * 2 >= limit)
        self.memory["long"] = is_long
        if not is_long:
            return []
        words = " and ".join(self._source.states)
        summary = f"{length} tasks of Airflow wait ({words}); the limit is {limit}, over at less than half"
        return [self._finding("AirflowHighTaskQueueLength", summary, {"value": length, "limit": limit})]

    def _starved(self, late: Sequence[Waiting]) -> list[Signal]:
        rows: dict[str, list[Waiting]] = {}
        for row in late:
            if row.state == "scheduled":  # a queued task has its slot already
                rows.setdefault(row.pool, []).append(row)
        full: dict[str, int] = {}
        signals = []
        for name, pool in self._listing.pools(rows).items():
            looks = self._was_full.get(name, 0)
            looks = looks if pool is None else looks + 1 if pool.full else 0
            if looks:
                full[name] = looks
            if looks >= self._source.failures:
                signals.append(self._starving(name, pool, rows[name]))
        self.memory["full"] = full
        return signals

    def _starving(self, name: str, pool: Pool | None, rows: Sequence[Waiting]) -> Signal:
        slots = f" of its {pool.slots}" if pool else ""
        wait = f"{len(rows)} tasks wait" if len(rows) > 1 else "a task waits"
        summary = (
            f"Pool {name} has none{slots} slots free and {wait} for it, "
            f"the longest for {in_words(self._now - rows[0].since)} "
            f"(limit {in_words(self._source.queued_longer)})"
        )
        details: dict[str, Any] = {"tasks": self._sample(rows)}
        if pool:
            details |= {"slots": pool.slots, "running": pool.running, "queued": pool.queued}
            details |= {"deferred": pool.deferred}
        return self._finding("AirflowPoolStarved", summary, details, at=rows[0].since, pool=name)

    def _sample(self, rows: Sequence[Waiting]) -> list[dict[str, str]]:
        return [
            {"task": row.name, "run": row.run_id, "state": row.state, "pool": row.pool}
            | {"since": row.since.isoformat()}
            for row in rows[:_SAMPLE]
        ]

    def _finding(
        self,
        alertname: str,
        summary: str,
        details: Mapping[str, Any],
        at: datetime | None = None,
        **labels: str,
    ) -> Signal:
        service = self._source.service("airflow")
        return finding(alertname, service, summary, at or self._now, details, **labels)
