"""The check: the server answers in time, has connections left, and nobody waits long for a lock."""

from __future__ import annotations

import time
from typing import ClassVar

from incident_response.clients.postgres_session import NoAnswer, address_of, ask, database_of
from incident_response.domain.actions import Finding, Scene
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_sessions import SURVEY, Survey
from .postgres_shown import seconds, sentence
from .postgres_status import silent


class Responsive(Postgres):
    """`postgres.responsive`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Responsive
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once: proven, or not yet. Raises NotConfigured; SourceUnavailable when it is refused."""
        connection = self.connection(scene)
        began = time.monotonic()
        try:
            survey = Survey.of(ask(connection, SURVEY, {}, scene.seconds, self.name))
        except NoAnswer as error:
            return silent(database_of(connection), address_of(connection), error.refusal)
        took = time.monotonic() - began
        wanted: postgres_steps.Responsive = scene.parameters
        used = 100 * len(survey.clients) / survey.room
        longest = max((backend.wait_seconds or 0 for backend in survey.waiting), default=0.0)
        wrong, causes = [], []
        if wanted.within is not None and took > wanted.within.total_seconds():
            wrong.append(f"it took {took:.1f} s to answer (limit {wanted.within.total_seconds():g} s)")
            causes.append("slow_answer")
        if wanted.percent is not None and used >= wanted.percent:
            wrong.append(f"{used:.0f} % of the connections are in use (limit {wanted.percent:g} %)")
            causes.append("connections_exhausted")
        if wanted.blocked_after is not None and longest > wanted.blocked_after.total_seconds():
            wrong.append(f"a session has been waiting for a lock for {seconds(longest)}")
            causes.append("blocked")
        fine = (
            f"answers within {took:.2f} s, {used:.0f} % of the connections are in use, "
            f"the longest wait for a lock is {seconds(longest)}"
        )
        return Finding(
            sentence(f"{survey.database}: {'; '.join(wrong) or fine}"),
            {"seconds": round(took, 3), "percent": round(used, 1), "longest_wait_seconds": round(longest, 1)},
            causes=tuple(causes),
            proven=None if wrong else True,
        )
