"""ANALYZE and VACUUM of tables, so that nobody has to queue behind them."""

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
from .postgres_shown import sentence

_PASSING = {"55P03": "somebody else has it locked (see postgres.locks)", "57014": "it took too long",
            "40P01": "it came into a deadlock"}  # fmt: skip
_COUNTED = 2.0  # seconds: before PostgreSQL 15 the statistics come a little later than the command's end

# Partitioned tables have a row from version 14 on. NULL: never, or the server does not say.
_WHEN = """
SELECT json_build_object('done', (SELECT {column} > %(at)s::timestamptz FROM pg_stat_user_tables
    WHERE relid = %(oid)s),
    'there', coalesce(to_regclass(format('%%I.%%I', %(schema)s, %(name)s))::oid::bigint = %(oid)s, false))
"""


def failed(action: str, target: str, error: CommandFailed) -> Refused | SourceUnavailable:
    """A lock or a time limit passes, so trying again makes sense; anything else is for a person."""
    if error.code in _PASSING:
        return SourceUnavailable(f"{action}: {target} was given up, {_PASSING[error.code]}: {error}")
    return Refused(f"{action}: PostgreSQL refuses {target}: {error}")


class Upkeep(Postgres):
    """What both have in common."""

    verb: ClassVar[str]  # for people
    command: ClassVar[str]
    column: ClassVar[str]  # of pg_stat_user_tables
    kinds: ClassVar[str]  # of pg_class.relkind
    found: ClassVar[str]  # the list of `postgres.tables` that it takes when no tables are named

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One line for each table. Raises Refused, SourceUnavailable, NotConfigured."""
        names = self._names(scene)
        if not names:
            return []
        answer = self.ask(scene, RELATIONS, parted(self.name, names))
        rows = admitted(self.name, names, self.kinds, answer)
        return [
            Planned(
                f"table:{row['schema']}.{row['name']}",
                sentence(f"{self.verb} the table {row['schema']}.{row['name']}"),
                {"schema": row["schema"], "name": row["name"], "oid": row["oid"], "at": answer["at"]},
            )
            for row in rows[: scene.parameters.most]
        ]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Run it. Raises Refused; SourceUnavailable when it was given up; NoAnswer when nobody knows."""
        from psycopg2 import sql

        data, target = planned.data, f"{planned.data['schema']}.{planned.data['name']}"
        lock = scene.parameters.lock_timeout.total_seconds()
        with self.session(scene) as session:
            before = self._when(session, data)
            if not before["there"]:
                raise Refused(f"{self.name}: {target} is not the table any more that was planned")
            if before["done"]:
                return Done(sentence(f"Nothing to do: {target} was done already since the plan"))
            name = sql.Identifier(data["schema"], data["name"])
            began = time.monotonic()
            try:
                session.command(sql.SQL(self.command).format(name), lock)
            except CommandFailed as error:
                raise failed(self.name, f"{self.verb} {target}", error) from None
            took = round(time.monotonic() - began, 1)
            # Without the right to do it, or to one partition, PostgreSQL only warns.
            if skipped := [text for text in session.notices if "skipping" in text]:
                raise Refused(f"{self.name}: PostgreSQL left it out, or a part of it: {skipped[-1]}")
            self._await_counting(session, data)
        return Done(sentence(f"{self.verb} {target}: done within {took} s"), {"seconds": took})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """Have the statistics been renewed, or the table vacuumed, since the plan?"""
        try:
            with self.session(scene) as session:
                answer = self._when(session, planned.data)
        except (SourceUnavailable, NotConfigured, NoAnswer):
            return None
        return bool(answer["done"]) if answer["there"] else None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Nothing to put back."""
        return None

    def _names(self, scene: Scene) -> Sequence[str]:
        """Those of the step, else what `postgres.tables` found on the same connection."""
        wanted: postgres_steps.Upkeep = scene.parameters
        if wanted.tables:
            return wanted.tables
        looked = [data for data in scene.found.values() if data.get("conn_id") == wanted.conn_id]
        lists = [data[self.found] for data in looked if isinstance(data.get(self.found), list)]
        if not lists:
            raise Refused(
                f"{self.name}: no table is named; set `tables`, or look with postgres.tables before"
            )
        return list(dict.fromkeys(str(name) for names in lists for name in names))[: wanted.most]

    def _when(self, session: Session, data: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = session.ask(_WHEN.format(column=self.column), data)
        return answer

    def _await_counting(self, session: Session, data: Mapping[str, Any]) -> None:
        until = time.monotonic() + min(_COUNTED, session.left / 2)
        while self._when(session, data)["done"] is False and time.monotonic() < until:
            time.sleep(0.1)


class Analyze(Upkeep):
    """`postgres.analyze`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Analyze
    name = parameters.action
    verb, command, column, kinds, found = "Analyse", "ANALYZE {}", "last_analyze", "rmp", "stale"


class Vacuum(Upkeep):
    """`postgres.vacuum`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Vacuum
    name = parameters.action
    verb, command, column, kinds, found = "Vacuum", "VACUUM (ANALYZE) {}", "last_vacuum", "rm", "bloated"
