"""A session with a PostgreSQL server: questions that only read, and commands that commit by themselves.

The driver is used asynchronously, because only so a server that is frozen in the middle of an answer cannot
hold up the caller for ever. The wait for the name server is the one that is not bounded here.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NoReturn

from incident_response.domain.connections import Connection
from incident_response.domain.errors import IncidentResponseError, NotConfigured, SourceUnavailable
from incident_response.domain.redaction import one_line

from . import libpq, postgres_wire
from .postgres_refusals import CUT, Refusal, refusal

if TYPE_CHECKING:
    from psycopg2.sql import Composable

_SERVER = 0.8  # the part of our time after which the server gives up by itself: its reason is worth reading


class NoAnswer(IncidentResponseError):
    """The server did not answer; `refusal` says why. What it was asked to do may have been done or not."""

    def __init__(self, why: Refusal) -> None:
        self.refusal = why
        super().__init__(why.message)


class CommandFailed(IncidentResponseError):
    """The server refused a command, or gave it up; `code` is its SQLSTATE."""

    def __init__(self, message: str, code: str) -> None:
        self.code = code
        super().__init__(message)


class Session:
    """One connection, for `seconds` in all. Made means connected. Raises NoAnswer, NotConfigured."""

    def __init__(self, connection: Connection, seconds: float, name: str) -> None:
        """`name` is the detector's or the action's, for messages."""
        import psycopg2

        if connection.extra.get("iam"):
            raise NotConfigured(f"{name}: a login by AWS IAM is not supported; give the role a password")
        self._name, self._secret, self._seconds = name, connection.password, seconds
        self._deadline = time.monotonic() + seconds
        self._errors = psycopg2
        try:
            self._link = psycopg2.connect(**_arguments(connection, seconds), async_=1)
            try:
                self._wait()
            except BaseException:
                self._link.close()
                raise
        except psycopg2.Error as error:
            raise self._refused(error, connection) from None

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._deadline - time.monotonic()

    @property
    def notices(self) -> list[str]:
        """What the server remarked, oldest first."""
        return [one_line(text) for text in self._link.notices]

    def close(self) -> None:
        """Hang up. What the server is doing for us it ends, or its own time limit does."""
        self._link.close()

    def ask(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        """The one value that `statement` returns, from a read-only transaction of its own.

        Raises NoAnswer; SourceUnavailable when the server answers but refuses the statement.
        """
        # SET LOCAL, and no setting of the session: behind a pooler the next client would inherit it.
        try:
            answer = self._run(f"BEGIN READ ONLY; {self._limits('SET LOCAL')}; {statement}", parameters)
            self._run("ROLLBACK")
            return answer
        except self._errors.Error as error:
            if isinstance(error, (self._errors.OperationalError, self._errors.InterfaceError)):
                raise self._silent(error) from None
            raise SourceUnavailable(
                f"{self._name}: PostgreSQL refused the question: {one_line(str(error))}; "
                "check that the login may read pg_stat_activity (GRANT pg_monitor)"
            ) from None

    def command(self, statement: Composable, lock_seconds: float) -> None:
        """Run one command outside of any transaction; it waits for a lock no longer than `lock_seconds`.

        Raises CommandFailed; NoAnswer when nobody knows how it ended.
        """
        try:
            # Such commands set up transactions of their own: SET LOCAL is not to be had.
            self._run(self._limits("SET", lock_seconds))
            self._run(statement)
        except self._errors.Error as error:
            if error.pgcode is None or self._link.closed:
                raise self._silent(error) from None
            raise CommandFailed(one_line(str(error)), error.pgcode) from None

    def _limits(self, how: str, lock_seconds: float | None = None) -> str:
        limit = max(0.05, self.left * _SERVER)
        lock = limit / 2 if lock_seconds is None else min(lock_seconds, limit)
        return f"{how} statement_timeout = {limit * 1000:.0f}; {how} lock_timeout = {max(1, lock * 1000):.0f}"

    def _run(self, statement: str | Composable, parameters: Mapping[str, Any] | None = None) -> Any:
        if self.left <= 0:  # frozen, or slow: what is sent now would be done, and nobody counts on it
            self._give_up()
        with self._link.cursor() as cursor:
            cursor.execute(statement, parameters)
            self._wait()
            return (cursor.fetchone() or (None,))[0] if cursor.description else None

    def _wait(self) -> None:
        from psycopg2.extensions import POLL_OK, POLL_READ

        while (state := self._link.poll()) != POLL_OK:
            waiting = select.poll()
            waiting.register(self._link.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            if self.left <= 0 or not waiting.poll(self.left * 1000):
                self._give_up()

    def _give_up(self) -> NoReturn:
        self._link.close()
        raise NoAnswer(refusal(f"no answer within {self._seconds:g} s"))

    def _refused(self, error: Exception, connection: Connection) -> NoAnswer:
        """The driver has no code of a failed connection: the server is asked once more, for its code."""
        heard = postgres_wire.hear(connection, min(self.left, self._seconds / 2))
        if heard is None:
            return NoAnswer(refusal(str(error), self._secret))
        text = heard.message or str(error)
        return NoAnswer(refusal(text, self._secret, heard.code, heard.error))

    def _silent(self, error: Exception) -> NoAnswer:
        why = refusal(str(error), self._secret, getattr(error, "pgcode", None))
        if why.reason == "other" and self._link.closed:
            why = refusal(str(error), self._secret, CUT)  # the driver has lost the code with the connection
        return NoAnswer(why)


def database_of(connection: Connection) -> str:
    """The database that libpq takes: its name, else the login's."""
    return connection.schema or connection.login or "postgres"


def address_of(connection: Connection) -> str:
    """Host and port, for messages."""
    return f"{connection.host or 'localhost'}:{connection.port or 5432}"


def ask(
    connection: Connection, statement: str, parameters: Mapping[str, Any], seconds: float, name: str
) -> Any:
    """The one value that `statement` returns, in a session of its own. Raises like Session and its `ask`."""
    with closing(Session(connection, seconds, name)) as session:
        return session.ask(statement, parameters)


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
