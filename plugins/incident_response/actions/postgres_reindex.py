"""REINDEX CONCURRENTLY. Rebuilt indexes have new OIDs; interrupted, it leaves an invalid index behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from incident_response.clients.postgres_session import CommandFailed, NoAnswer, Session
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import NotConfigured, Refused, SourceUnavailable
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_relations import RELATIONS, admitted, parted
from .postgres_shown import counted, listed, sentence
from .postgres_upkeep import failed

_OLDEST = 120000  # CONCURRENTLY came with PostgreSQL 12

# `running`: the server goes on with it for a while after its client has died. Exclusion constraints and what
# is invalid already are passed over by REINDEX TABLE CONCURRENTLY.
_INDEXES = """
SELECT json_build_object(
    'indexes', (SELECT coalesce(json_object_agg(c.relname, c.oid::bigint), '{}')
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = %(table)s AND (i.indisvalid AND NOT i.indisexclusion OR c.oid = %(oid)s)
            AND c.relname !~ '_cc(new|old)[0-9]*$'),
    'leftovers', (SELECT coalesce(json_agg(c.relname ORDER BY 1), '[]')
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = %(table)s AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'),
    'schema', (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = %(table)s),
    'running', EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = %(table)s::bigint::oid))
"""


class Reindex(Postgres):
    """`postgres.reindex`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Reindex
    name = parameters.action

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One line for each index or table. Raises Refused, SourceUnavailable, NotConfigured."""
        wanted: postgres_steps.Reindex = scene.parameters
        names = [*wanted.tables, *wanted.indexes]
        values = parted(self.name, names)
        with self.session(scene) as session:
            try:
                answer = session.ask(RELATIONS, values)
                if answer["version"] < _OLDEST:
                    raise Refused(f"{self.name}: REINDEX CONCURRENTLY needs PostgreSQL 12")
                rows = [
                    *admitted(self.name, wanted.tables, "rm", answer),
                    *admitted(self.name, wanted.indexes, "i", answer),
                ]
                return [self._planned(session, row) for row in rows[: wanted.most]]
            except NoAnswer as error:
                raise self.silence(scene, error) from None

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Rebuild. Raises Refused, also when it was given up and left an invalid index behind;
        SourceUnavailable when it was given up and left nothing; NoAnswer when nobody knows.
        """
        from psycopg2 import sql

        data, target = planned.data, _target(planned.data)
        what = sql.SQL("INDEX" if data["kind"] == "i" else "TABLE")
        command = sql.SQL("REINDEX {} CONCURRENTLY {}").format(
            what, sql.Identifier(data["schema"], data["name"])
        )
        with self.session(scene) as session:
            now = _facts(session, data)
            if (state := _state(data, now)) is True:
                return Done(sentence(f"Nothing to do: {target} was rebuilt already since the plan"))
            if state is None or not self._is_there(session, data):
                raise Refused(f"{self.name}: {target} is not as planned any more; it was not touched")
            began = time.monotonic()
            try:
                session.command(command, scene.parameters.lock_timeout.total_seconds())
            except CommandFailed as error:
                left = _facts(session, data)["leftovers"]
                if not left:
                    raise failed(self.name, f"REINDEX of {target}", error) from None
                raise Refused(
                    f"{self.name}: REINDEX of {target} was given up ({error}) and left the invalid index "
                    f"{listed(left)}; undo drops it, or DROP INDEX CONCURRENTLY does"
                ) from None
            took = round(time.monotonic() - began, 1)
        return Done(sentence(f"Rebuilt {target} within {took} s"), {"seconds": took})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """True when its indexes are new ones. None when an invalid one was left behind, or it still runs."""
        try:
            with self.session(scene) as session:
                now = _facts(session, planned.data)
                while now["running"] and session.left > 1:
                    time.sleep(0.2)
                    now = _facts(session, planned.data)
        except (SourceUnavailable, NotConfigured, NoAnswer):
            return None
        return _state(planned.data, now)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Drop the invalid index that it left behind. Raises Refused while it runs; SourceUnavailable."""
        from psycopg2 import sql

        lock = scene.parameters.lock_timeout.total_seconds()
        with self.session(scene) as session:
            now = _facts(session, planned.data)
            if now["running"]:
                raise Refused(f"{self.name}: an index of this table is being built; nothing was dropped")
            for name in now["leftovers"]:
                command = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(
                    sql.Identifier(now["schema"], name)
                )
                try:
                    session.command(command, lock)
                except CommandFailed as error:
                    raise failed(self.name, f"DROP INDEX of {name}", error) from None
        if not now["leftovers"]:
            return None
        return Done(
            sentence(f"Dropped the invalid index {listed(now['leftovers'])}"), {"dropped": now["leftovers"]}
        )

    def _planned(self, session: Session, row: Mapping[str, Any]) -> Planned:
        kind = "index" if row["kind"] == "i" else "table"
        data = {key: row[key] for key in ("schema", "name", "oid", "kind", "table")}
        now, target = _facts(session, row), _target(data)
        if now["running"]:
            raise Refused(f"{self.name}: an index of {target} is being built at this moment")
        if now["leftovers"]:
            raise Refused(
                f"{self.name}: an interrupted REINDEX left the invalid index {listed(now['leftovers'])} at "
                f"{target}; drop it first with DROP INDEX CONCURRENTLY"
            )
        indexes = now["indexes"]
        if kind == "index":
            indexes = {row["name"]: row["oid"]}
        more = f" ({counted(len(indexes), 'index', 'indexes')})" if kind == "table" else ""
        return Planned(
            f"{kind}:{target}",
            sentence(f"Rebuild the {kind} {target}{more}, concurrently"),
            {**data, "indexes": indexes},
        )

    def _is_there(self, session: Session, data: Mapping[str, Any]) -> bool:
        found = session.ask(RELATIONS, {"schemas": [data["schema"]], "names": [data["name"]]})["found"]
        return bool(found) and found[0]["oid"] == data["oid"]


def _facts(session: Session, data: Mapping[str, Any]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = session.ask(_INDEXES, data)
    return answer


def _state(data: Mapping[str, Any], now: Mapping[str, Any]) -> bool | None:
    """True: rebuilt, False: as it was before, None: neither."""
    if now["leftovers"] or now["running"]:
        return None
    before, indexes = data["indexes"], now["indexes"]
    if any(name not in indexes for name in before):
        return None
    renewed = [indexes[name] != oid for name, oid in before.items()]
    if all(renewed):
        return bool(renewed)  # a table without an index: nothing happened
    return None if any(renewed) else False


def _target(data: Mapping[str, Any]) -> str:
    return f"{data['schema']}.{data['name']}"
