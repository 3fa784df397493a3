"""Cancel statements and end sessions: exactly those of the plan, as long as they do what they did then."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from incident_response.clients.postgres_session import NoAnswer, Session
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import NotConfigured, Refused, SourceUnavailable
from incident_response.domain.redaction import one_line
from incident_response.parameters import postgres_steps
from incident_response.parameters.base import Parameters

from .postgres_choice import Candidate, Choice, choose, may_write
from .postgres_link import Postgres
from .postgres_sessions import SURVEY, Survey
from .postgres_shown import listed, sentence, statement

_PATIENCE = 5.0  # seconds until a session that was ended has to be gone
_SPARED = 20

# What must still be so when the signal is sent. Checked by the statement that sends it: a pid is used again.
_AS_PLANNED = """
    a.pid = %(pid)s AND a.backend_start = %(backend_start)s::timestamptz
    AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
    AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.usesysid AND r.rolsuper)
    AND (a.backend_xid IS NULL OR %(writer_allowed)s)
"""
_STILL = {
    "idle": "a.state = 'idle' AND a.state_change = %(state_change)s::timestamptz",
    "idle_in_transaction": "a.state LIKE 'idle in transaction%%' "
    "AND a.state_change = %(state_change)s::timestamptz",
    "long_running": "a.state = 'active' AND a.query_start = %(query_start)s::timestamptz",
    "blockers": "a.xact_start IS NOT DISTINCT FROM %(xact_start)s::timestamptz "
    "AND EXISTS (SELECT FROM pg_stat_activity w WHERE w.wait_event_type = 'Lock' "
    "AND a.pid = ANY(pg_blocking_pids(w.pid)))",
}
_SAME_QUERY = "a.state = 'active' AND a.query_start = %(query_start)s::timestamptz"
_NOW = """
SELECT json_build_object(
    'same', coalesce(bool_or(a.backend_start = %(backend_start)s::timestamptz), false),
    'running', coalesce(bool_or(a.backend_start = %(backend_start)s::timestamptz AND a.state = 'active'
        AND a.query_start IS NOT DISTINCT FROM %(query_start)s::timestamptz), false),
    'recycled', coalesce(bool_or(a.backend_start IS DISTINCT FROM %(backend_start)s::timestamptz), false))
FROM pg_stat_activity a WHERE a.pid = %(pid)s
"""


class Ending(Postgres):
    """What cancelling and terminating have in common."""

    cancels: ClassVar[bool]

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One line for each session. Raises Refused, SourceUnavailable, NotConfigured."""
        survey = Survey.of(self.ask(scene, SURVEY))
        choice = choose(survey, scene.parameters, cancel=self._cancels(scene))
        return [self._planned(scene, choice, index) for index in range(len(choice.chosen))]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Signal it, and wait briefly. Raises Refused when it does something else by now; SourceUnavailable;
        NoAnswer when the server fell silent in the middle.
        """
        with self.session(scene) as session:
            if not session.ask(self._signal(scene, planned.data), planned.data):
                return self._not_signalled(scene, session, planned)
            over = self._wait(scene, session, planned.data)
        name = planned.data["named"]
        did = f"Cancelled the statement of {name}" if self._cancels(scene) else f"Ended the session of {name}"
        return Done(
            sentence(did if over else f"{did}, which has not ended yet: it was told to"),
            {"pid": planned.data["pid"], "over": over},
        )

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """Is that session gone, or does that statement no longer run?"""
        try:
            return self._is_over(scene, self.ask(scene, _NOW, planned.data))
        except (SourceUnavailable, NotConfigured):
            return None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Nobody can give a session back."""
        return None

    def _cancels(self, scene: Scene) -> bool:
        return self.cancels

    def _planned(self, scene: Scene, choice: Choice, index: int) -> Planned:
        candidate: Candidate = choice.chosen[index]
        backend, wanted = candidate.backend, scene.parameters
        verb = "Cancel the statement of" if self._cancels(scene) else "End the session of"
        written = ", which has written: that is rolled back" if backend.writes else ""
        more = [f"{choice.left} more left for the next attempt"] if choice.left else []
        more += [f"spared: {listed(choice.spared, 2)}"] if choice.spared else []
        # Said once, on the first line of the list.
        beside = f" ({'; '.join(more)})" if more and index == 0 else ""
        return Planned(
            f"backend:{backend.pid}",
            sentence(f"{verb} {backend.named}, {candidate.doing}{written}{beside}"),
            {
                "named": one_line(backend.named, 100),
                "pid": backend.pid,
                "backend_start": backend.started,
                "usename": backend.user,
                "application": backend.application,
                "state": backend.state,
                "state_change": backend.changed,
                "query_start": backend.query_start,
                "xact_start": backend.xact_start,
                "query": statement(backend.query),
                "which": wanted.chosen,
                "age_seconds": round(candidate.age, 1),
                "writes": backend.writes,
                "writer_allowed": may_write(backend, wanted),
                "spared": [one_line(text, 300) for text in choice.spared[:_SPARED]] if index == 0 else [],
            },
        )

    def _signal(self, scene: Scene, data: Mapping[str, Any]) -> str:
        function = "pg_cancel_backend" if self._cancels(scene) else "pg_terminate_backend"
        still = [_AS_PLANNED, _STILL[data["which"]], *([_SAME_QUERY] if self._cancels(scene) else [])]
        return f"SELECT {function}(a.pid) FROM pg_stat_activity a WHERE " + " AND ".join(still)  # noqa: S608 - ours

    def _not_signalled(self, scene: Scene, session: Session, planned: Planned) -> Done:
        now = session.ask(_NOW, planned.data)
        name = planned.data["named"]
        if now["recycled"]:
            raise Refused(f"{self.name}: {name} is gone, and its pid belongs to another session: not touched")
        if self._is_over(scene, now):
            return Done(sentence(f"Nothing to do: {name} was over already"), {"over": True})
        raise Refused(
            f"{self.name}: {name} no longer does what was planned ({planned.data['which']}), or its "
            "transaction has written by now; it was not touched: plan again"
        )

    def _wait(self, scene: Scene, session: Session, data: Mapping[str, Any]) -> bool:
        """Until it is over, but only briefly."""
        until = time.monotonic() + min(_PATIENCE, session.left - 1)
        try:
            while not (over := self._is_over(scene, session.ask(_NOW, data))) and time.monotonic() < until:
                time.sleep(0.05)
        except (NoAnswer, SourceUnavailable):  # the signal was sent, that is what counts
            return False
        return over

    def _is_over(self, scene: Scene, now: Mapping[str, Any]) -> bool:
        return not (now["running"] if self._cancels(scene) else now["same"])


class Cancel(Ending):
    """`postgres.cancel`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Cancel
    name = parameters.action
    cancels = True


class Terminate(Ending):
    """`postgres.terminate`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Terminate
    name = parameters.action
    cancels = False


class Unblock(Ending):
    """`postgres.unblock`."""

    parameters: ClassVar[type[Parameters]] = postgres_steps.Unblock
    name = parameters.action

    def _cancels(self, scene: Scene) -> bool:
        return bool(scene.parameters.by == "cancel")
