"""Connections in use: how many, in what state, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from incident_response.clients.postgres_session import NoAnswer, address_of, ask, database_of
from incident_response.domain.actions import Finding, Scene
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_sessions import SURVEY, Backend, Survey
from .postgres_shown import counted, exhibit, seconds, sentence
from .postgres_status import silent

_NAMED = 20  # holders and idle transactions in the data; the exhibit has all


class Connections(Postgres):
    """`postgres.connections`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Connections
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once. That no connection is left even for us is a finding; other silence raises
        SourceUnavailable.
        """
        connection = self.connection(scene)
        try:
            survey = Survey.of(ask(connection, SURVEY, {}, scene.seconds, self.name))
        except NoAnswer as error:
            if not error.refusal.exhausted:
                raise self.silence(scene, error) from None
            return silent(database_of(connection), address_of(connection), error.refusal)
        return judged(survey, scene.parameters)


def judged(survey: Survey, parameters: postgres_steps.Connections) -> Finding:
    """The finding for one answer."""
    clients = survey.clients
    percent = round(100 * len(clients) / survey.room, 1)
    limit = parameters.idle_in_transaction.total_seconds()
    idle = sorted(
        (c for c in clients if _idle_in_transaction(c) >= limit), key=lambda c: -_idle_in_transaction(c)
    )
    exhausted = percent >= parameters.percent
    causes = ("connections_exhausted",) * exhausted + ("idle_in_transaction",) * bool(idle)
    left_open = (
        f"; {counted(len(idle), 'transaction')} left open for up to {seconds(_idle_in_transaction(idle[0]))}"
        if idle
        else ""
    )
    data: dict[str, Any] = {
        "used": len(clients),
        "available": survey.room,
        "percent": percent,
        "by_state": _counts(clients, lambda c: c.state or "hidden"),
        "by_user": _counts(clients, lambda c: c.user or ""),
        "by_application": _counts(clients, lambda c: c.application or ""),
        "oldest_seconds_by_state": _oldest(clients),
        "idle_in_transaction": {
            "count": len(idle),
            "sessions": [{"seconds": round(_idle_in_transaction(c)), **c.shown()} for c in idle[:_NAMED]],
        },
        "hidden": sum(c.hidden for c in clients),
    }
    rows = [c.shown() for c in sorted(clients, key=lambda c: (c.state or "", -(c.state_seconds or 0)))]
    head = f"{len(clients)} of {survey.room} connections of {survey.database}'s server are in use"
    return Finding(
        sentence(
            f"{survey.database}: {len(clients)} of {survey.room} connections are in use "
            f"({percent:g} %, limit {parameters.percent:g} %){left_open}"
        ),
        data,
        (exhibit("postgres-connections.txt", rows, head),),
        causes,
    )


def _idle_in_transaction(backend: Backend) -> float:
    return (backend.state_seconds or 0) if backend.idle_in_transaction else -1


def _counts(clients: list[Backend], what: Callable[[Backend], str]) -> dict[str, int]:
    return dict(Counter(what(c)[:100] for c in clients).most_common(_NAMED))


def _oldest(clients: list[Backend]) -> dict[str, int]:
    found: dict[str, int] = {}
    for c in clients:
        if c.state and c.state_seconds is not None:
            found[c.state] = max(found.get(c.state, 0), round(c.state_seconds))
    return found
