"""What every postgres action does first: find the connection, and open a session on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

from incident_response.clients.postgres_session import NoAnswer, Session, address_of
from incident_response.domain.actions import Scene
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.parameters.base import Parameters

from .kit import Kit

_ROOM = (
    "; a login that may use reserved connections gets in (from PostgreSQL 16 on: reserved_connections and "
    "GRANT pg_use_reserved_connections, before: a superuser)"
)


class Postgres:
    """Base of the postgres actions. An action is made for each call."""

    parameters: ClassVar[type[Parameters]]
    name: str  # as in its parameters: for messages

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def connection(self, scene: Scene) -> Connection:
        """The Airflow connection that the step names. Raises NotConfigured."""
        return self._kit.connection(scene.parameters.conn_id)

    def ask(self, scene: Scene, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        """One question in a session of its own. Raises SourceUnavailable, NotConfigured."""
        with self.session(scene) as session:
            try:
                return session.ask(statement, values or {})
            except NoAnswer as error:
                raise self.silence(scene, error) from None

    @contextmanager
    def session(self, scene: Scene) -> Iterator[Session]:
        """A session. Raises SourceUnavailable when there is none to be had; later silence is NoAnswer."""
        try:
            session = Session(self.connection(scene), scene.seconds, self.name)
        except NoAnswer as error:
            raise self.silence(scene, error) from None
        with closing(session):
            yield session

    def silence(self, scene: Scene, error: NoAnswer) -> SourceUnavailable:
        """For people: who does not answer, and why."""
        why = error.refusal
        return SourceUnavailable(
            f"{self.name}: PostgreSQL at {address_of(self.connection(scene))} gives no answer, {why.words}: "
            f"{why.message}{_ROOM if why.exhausted else ''}"
        )
