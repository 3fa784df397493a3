"""Tables: sizes, dead rows, and how old the planner's statistics are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_shown import counted, exhibit, listed, sentence

_NAMED = 50
# The size of a table that somebody has locked is not asked for: that would wait for the lock.
_TABLES = """
SELECT json_build_object('database', current_database(), 'tables', (SELECT json_agg(t) FROM (
    SELECT s.schemaname || '.' || s.relname AS "table",
        CASE WHEN NOT EXISTS (SELECT FROM pg_locks l WHERE l.relation = s.relid
            AND l.mode = 'AccessExclusiveLock') THEN pg_total_relation_size(s.relid) END AS bytes,
        greatest(s.n_live_tup, c.reltuples::bigint, 0) AS live_rows, s.n_dead_tup AS dead_rows,
        s.n_mod_since_analyze AS changed_rows,
        greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
        greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE c.relpersistence <> 't' ORDER BY bytes DESC NULLS FIRST LIMIT 500) t))
"""


class Tables(Postgres):
    """`postgres.tables`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Tables
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once. Raises SourceUnavailable, NotConfigured."""
        wanted: postgres_steps.Tables = scene.parameters
        answer = self.ask(scene, _TABLES)
        tables = [_judged(table, wanted) for table in answer["tables"] or ()]
        stale = [t["table"] for t in sorted(tables, key=_changed) if t["stale"]]
        bloated = [t["table"] for t in sorted(tables, key=_dead) if t["bloated"]]
        wrong = "; ".join(
            f"{counted(len(names), 'table')} {what}: {listed(names, 3)}"
            for names, what in ((stale, "with stale statistics"), (bloated, "with many dead rows"))
            if names
        )
        return Finding(
            sentence(
                f"{answer['database']}: {wrong or counted(len(tables), 'table') + ', none in need of care'}"
            ),
            {
                "conn_id": wanted.conn_id,
                "stale": stale[:_NAMED],
                "bloated": bloated[:_NAMED],
                "tables": [t for t in tables if t["stale"] or t["bloated"]][:_NAMED],
            },
            (exhibit("postgres-tables.txt", tables, f"tables of {answer['database']}"),),
            ("stale_statistics",) * bool(stale) + ("bloated",) * bool(bloated),
        )


def _judged(table: Mapping[str, Any], wanted: postgres_steps.Tables) -> dict[str, Any]:
    rows, dead, changed = table["live_rows"], table["dead_rows"], table["changed_rows"]
    never = table["last_analyze"] is None
    enough = rows + dead >= wanted.rows
    return {
        **table,
        "never_analysed": never,
        "stale": enough and (never or 100 * changed >= wanted.stale_percent * max(1, rows)),
        "bloated": enough and 100 * dead >= wanted.bloated_percent * max(1, rows + dead),
    }


def _changed(table: Mapping[str, Any]) -> tuple[bool, int]:
    """Never analysed first, then what has changed most."""
    return (not table["never_analysed"], -table["changed_rows"])


def _dead(table: Mapping[str, Any]) -> int:
    return -int(table["dead_rows"])
