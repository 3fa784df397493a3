"""Locks: who waits for whom, since when, and who stands at the head of the queue."""

from __future__ import annotations

from typing import ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_link import Postgres
from .postgres_sessions import SURVEY, Root, Survey
from .postgres_shown import counted, seconds, sentence, text_exhibit

_NAMED = 20  # in the data; the exhibit has all


class Locks(Postgres):
    """`postgres.locks`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Locks
    name = parameters.action

    def look(self, scene: Scene) -> Finding:
        """Look once. Raises SourceUnavailable, NotConfigured."""
        survey = Survey.of(self.ask(scene, SURVEY))
        waiting, roots = survey.waiting, survey.roots()
        data = {
            "waiting_count": len(waiting),
            "roots": [_root(survey, root) for root in roots[:_NAMED]],
            "waiting": [
                {
                    "waits_seconds": round(backend.wait_seconds or 0, 1),
                    "mode": backend.mode,
                    "relation": backend.relation,
                    "waits_for": backend.blockers[:_NAMED],
                    **backend.shown(),
                }
                for backend in waiting[:_NAMED]
            ],
        }
        if not waiting:
            return Finding(f"{survey.database}: nobody waits for a lock", data)
        longest = waiting[0].wait_seconds or 0
        return Finding(
            sentence(
                f"{survey.database}: {counted(len(waiting), 'session waits', 'sessions wait')} for up to "
                f"{seconds(longest)}, behind {_named(survey, roots)}"
            ),
            data,
            (text_exhibit("postgres-locks.txt", survey.tree()),),
            ("blocked",) if longest >= scene.parameters.older_than.total_seconds() else (),
        )


def _root(survey: Survey, root: Root) -> dict[str, object]:
    backend = survey.by_pid.get(root.pid)
    return {
        "pid": root.pid,
        "blocks": root.waiting,
        "longest_seconds": round(root.longest, 1),
        **(backend.shown() if backend else {"state": "prepared transaction"}),
    }


def _named(survey: Survey, roots: list[Root]) -> str:
    """The worst one by name."""
    if not roots:
        return "each other (a deadlock, which PostgreSQL breaks by itself)"
    backend = survey.by_pid.get(roots[0].pid)
    more = f" and {len(roots) - 1} more" if len(roots) > 1 else ""
    if backend is None:
        return f"a prepared transaction{more}"
    return f"{backend.named}, {backend.state or backend.type} for {seconds(backend.state_seconds)}{more}"
