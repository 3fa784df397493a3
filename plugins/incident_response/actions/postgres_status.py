"""Does the server answer? Silence is a finding: it is what the step is there to find out."""

from __future__ import annotations

import time
from typing import ClassVar

from incident_response.clients.postgres_refusals import Refusal
from incident_response.clients.postgres_session import NoAnswer, address_of, ask, database_of
from incident_response.domain.actions import Finding, Scene
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_shown import seconds, sentence

_STATUS = """
SELECT json_build_object(
    'version', current_setting('server_version'),
    'in_recovery', pg_is_in_recovery(),
    'started_at', pg_postmaster_start_time(),
    'uptime_seconds', extract(epoch FROM now() - pg_postmaster_start_time())::bigint)
"""
# It answers, but not us: a restart would help nobody.
_CAUSES = {
    "exhausted": "connections_exhausted",
    "starting": "database_starting",
    "login": "access_refused",
    "no database": "access_refused",
    "tls": "access_refused",
}


class Status(Postgres):
    """`postgres.status`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Status
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once. Raises NotConfigured; SourceUnavailable when the server refuses the question."""
        connection = self.connection(scene)
        began = time.monotonic()
        try:
            answer = ask(connection, _STATUS, {}, scene.seconds, self.name)
        except NoAnswer as error:
            return silent(database_of(connection), address_of(connection), error.refusal)
        took = round(time.monotonic() - began, 3)
        role = "a replica" if answer["in_recovery"] else "the primary"
        return Finding(
            sentence(
                f"{database_of(connection)}: PostgreSQL {answer['version']} answers within {took:.2f} s, "
                f"{role}, up for {seconds(answer['uptime_seconds'])}"
            ),
            {"answers": True, "seconds": took, **answer},
        )


def silent(database: str, address: str, why: Refusal) -> Finding:
    """What it means that no session came about."""
    return Finding(
        sentence(f"{database}: PostgreSQL at {address} gives no session, {why.words}: {why.message}"),
        {"answers": False, "reason": why.reason, "message": why.message, "address": address},
        causes=(_CAUSES.get(why.reason, "database_down"),),
    )
