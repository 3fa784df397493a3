"""One read-only transaction with a PostgreSQL server, in which it is asked how it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from incident_response.clients import libpq
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured, SourceUnavailable
from incident_response.domain.redaction import one_line

from .postgres_refusals import Refusal, refusal


class NoAnswer(Exception):
    """The server did not answer; `refusal` says why."""

    def __init__(self, why: Refusal) -> None:
        self.refusal = why
        super().__init__(why.message)


def database_of(connection: Connection) -> str:
    """The database that libpq takes: its name, else the login's."""
    return connection.schema or connection.login or "postgres"


def ask(
    connection: Connection, statement: str, parameters: Mapping[str, Any], seconds: float, name: str
) -> Any:
    """The one value that `statement` returns.

    Raises NoAnswer; SourceUnavailable when the server answers but refuses the statement; NotConfigured when
    the connection logs in by AWS. The waits for the name server and for a frozen host are not bounded here.
    """
    import psycopg2

    if connection.extra.get("iam"):
        raise NotConfigured(f"{name}: a login by AWS IAM is not supported; give the role a password")
    try:
        with closing(psycopg2.connect(**_arguments(connection, seconds))) as session:
            # A read-only transaction and SET LOCAL, and no setting of the session: behind a pooler that
            # shares sessions, the next client would inherit it.
            session.set_session(readonly=True)
            milliseconds = round(seconds * 800)
            with session.cursor() as cursor:
                cursor.execute(
                    f"SET LOCAL statement_timeout = {milliseconds}; "
                    f"SET LOCAL lock_timeout = {milliseconds // 2}; {statement}",
                    parameters,
                )
                (answer,) = cursor.fetchone() or (None,)
            session.rollback()
            return answer
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise NoAnswer(refusal(str(error), connection.password)) from None
    except psycopg2.Error as error:
        raise SourceUnavailable(
            f"{name}: PostgreSQL refused the question: {one_line(str(error))}; "
            "check that the login may read pg_stat_activity (GRANT pg_monitor)"
        ) from None


def _arguments(connection: Connection, seconds: float) -> dict[str, Any]:
    """For libpq."""
    given = {
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.schema,
        "user": connection.login,
        "password": connection.password,
    }
    named = {key: value for key, value in given.items() if value not in (None, "")}
    return {**named, **libpq.keywords(connection), **libpq.bounds(seconds)}
