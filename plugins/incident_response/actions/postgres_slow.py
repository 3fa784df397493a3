"""Slow queries: what has been running for long, and what is slow on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.errors import SourceUnavailable
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_matching import matches
from .postgres_sessions import SURVEY, Survey
from .postgres_shown import counted, exhibit, seconds, sentence, statement

_NAMED = 20
# Where the extension is, and how its columns are named: they changed with version 1.8 (PostgreSQL 13).
_EXTENSION = """
SELECT json_build_object('schema', quote_ident(n.nspname), 'renamed', EXISTS (
    SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = n.oid AND c.relname = 'pg_stat_statements' AND a.attname = 'mean_exec_time'))
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'
"""
_AVERAGES = """
SELECT json_agg(t) FROM (
    SELECT calls, round(({mean} / 1000)::numeric, 3)::float AS mean_seconds,
        round(({total} / 1000)::numeric, 1)::float AS total_seconds, rows, left(query, 4000) AS query
    FROM {schema}.pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND {mean} >= %(milliseconds)s ORDER BY {total} DESC LIMIT 20) t
"""


class SlowQueries(Postgres):
    """`postgres.slow_queries`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.SlowQueries
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once. Raises SourceUnavailable, NotConfigured."""
        wanted: postgres_steps.SlowQueries = scene.parameters
        survey = Survey.of(self.ask(scene, SURVEY))
        slower, longer = wanted.slower_than.total_seconds(), wanted.long_running.total_seconds()
        running = sorted(
            (
                backend
                for backend in survey.clients
                if backend.active
                and (backend.query_seconds or 0) >= slower
                and not matches(backend.application, wanted.ignore_applications)
            ),
            key=lambda backend: -(backend.query_seconds or 0),
        )
        # One that waits for a lock is slow, but long-running is whoever holds the lock.
        long = [b for b in running if (b.query_seconds or 0) >= longer and b.waits_on != "Lock"]
        averages, note = self._averages(scene, slower)
        rows = [{"runs_for": seconds(b.query_seconds), "waits_on": b.waits_on, **b.shown()} for b in running]
        worst = (
            f", the longest for {seconds(running[0].query_seconds)}: {running[0].named}" if running else ""
        )
        return Finding(
            sentence(
                f"{survey.database}: {counted(len(running), 'statement')} running for longer than "
                f"{seconds(slower)}{worst}; {counted(len(averages), 'statement')} slow on average"
            ),
            {
                "running_count": len(running),
                "long_running_count": len(long),
                "running": rows[:_NAMED],
                "averages": averages,
                "note": note,
                "hidden": sum(backend.hidden for backend in survey.clients),
            },
            (
                exhibit("postgres-running.txt", rows, f"running for longer than {seconds(slower)}"),
                exhibit("postgres-statements.txt", averages, note or "slow on average, since the last reset"),
            ),
            ("slow_queries",) * bool(running) + ("long_running",) * bool(long),
        )

    def _averages(self, scene: Scene, slower: float) -> tuple[Sequence[dict[str, Any]], str]:
        """From pg_stat_statements, and a note when there are none to be had."""
        place = self.ask(scene, _EXTENSION)
        if place is None:
            return [], "the extension pg_stat_statements is not installed in this database"
        names = ("mean_exec_time", "total_exec_time") if place["renamed"] else ("mean_time", "total_time")
        question = _AVERAGES.format(schema=place["schema"], mean=names[0], total=names[1])
        try:
            rows = self.ask(scene, question, {"milliseconds": slower * 1000}) or []
        except (
            SourceUnavailable
        ) as error:  # installed, but not in shared_preload_libraries: no trouble of today
            return [], f"pg_stat_statements cannot be read: {error}"[:300]
        return [{**row, "query": statement(row["query"])} for row in rows], ""
