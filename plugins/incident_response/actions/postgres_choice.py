"""Which sessions are ended: those that are in the way, without those that must never be touched."""

from __future__ import annotations

from dataclasses import dataclass

from incident_response.clients import libpq
from incident_response.domain.errors import Refused
from incident_response.parameters.postgres_steps import Ending

from .postgres_matching import matches
from .postgres_sessions import Backend, Survey
from .postgres_shown import counted, listed, seconds

_TOLD = 20  # names in a refusal


@dataclass(frozen=True)
class Candidate:
    """A session that is in the way: for how long, and in what words."""

    backend: Backend
    age: float  # seconds
    doing: str  # `which has been idle for 12 min`


@dataclass(frozen=True)
class Choice:
    """What will be ended, oldest first, and who was spared, with the reasons."""

    chosen: tuple[Candidate, ...]
    spared: tuple[str, ...]
    left: int  # allowed, but more than `most`


def choose(survey: Survey, wanted: Ending, *, cancel: bool) -> Choice:
    """Choose. Raises Refused when somebody is in the way and nobody of them may be touched."""
    found = [each for each in _candidates(survey, wanted) if each.age >= wanted.limit.total_seconds()]
    found.sort(key=lambda each: (-each.age, each.backend.pid))
    # Nothing runs in them that could be cancelled. No refusal: the next rung of the ladder ends them.
    passed_over = [each for each in found if cancel and not each.backend.active and not each.backend.hidden]
    found = [each for each in found if each not in passed_over]
    spared, allowed = [], []
    for each in found:
        why = _protection(each.backend, survey, wanted)
        if why:
            spared.append(f"{each.backend.named}: {why}")
        else:
            allowed.append(each)
    if wanted.chosen == "blockers" and any(root.pid == 0 for root in survey.roots()):
        spared.append("a prepared transaction: end it with COMMIT PREPARED or ROLLBACK PREPARED")
    hidden = sum(backend.hidden and not backend.superuser for backend in _within(survey, wanted))
    if hidden and wanted.chosen != "blockers":  # whether they are in the way nobody knows
        spared.append(f"{counted(hidden, 'session')} hidden from us: GRANT pg_monitor TO {survey.login}")
    if spared and not allowed and not passed_over:
        raise Refused(
            f"{wanted.action}: nothing may be touched; {counted(len(spared), 'session is', 'sessions are')} "
            f"in the way and protected: {listed(spared, _TOLD)}"
        )
    spared += [
        f"{each.backend.named}: no statement runs in it that could be cancelled" for each in passed_over
    ]
    return Choice(tuple(allowed[: wanted.most]), tuple(spared), max(0, len(allowed) - wanted.most))


def may_write(backend: Backend, wanted: Ending) -> bool:
    """May its transaction be rolled back although it has written?"""
    if wanted.writers:
        return True
    return bool(
        matches(backend.user, wanted.allowed_writers) or matches(backend.application, wanted.allowed_writers)
    )


def _candidates(survey: Survey, wanted: Ending) -> list[Candidate]:
    if wanted.chosen == "blockers":
        return _blockers(survey, wanted)
    found = []
    for backend in _within(survey, wanted):
        if wanted.chosen == "long_running" and backend.state == "active" and backend.waits_on != "Lock":
            age = backend.query_seconds or 0.0
            found.append(Candidate(backend, age, f"which has been running one statement for {seconds(age)}"))
        elif wanted.chosen == "idle_in_transaction" and backend.idle_in_transaction:
            age = backend.state_seconds or 0.0
            found.append(Candidate(backend, age, f"which has been idle in a transaction for {seconds(age)}"))
        elif wanted.chosen == "idle" and backend.state == "idle":
            age = backend.state_seconds or 0.0
            found.append(Candidate(backend, age, f"which has been idle for {seconds(age)}"))
    return found


def _within(survey: Survey, wanted: Ending) -> list[Backend]:
    """Clients of our database, or of the whole server."""
    return [each for each in survey.clients if wanted.whole_server or each.database == survey.database]


def _blockers(survey: Survey, wanted: Ending) -> list[Candidate]:
    """Heads of queues only: ending one in the middle would help nobody."""
    found = []
    for root in survey.roots():
        backend = survey.by_pid.get(root.pid)
        if backend is None or not (
            wanted.whole_server or backend.database == survey.database or not backend.is_client
        ):
            continue
        held_up = counted(root.waiting, "session")
        doing = f"{backend.state or backend.type}, which holds up {held_up} for up to {seconds(root.longest)}"
        found.append(Candidate(backend, root.longest, doing))
    return found


def _protection(backend: Backend, survey: Survey, wanted: Ending) -> str:
    """Why it must not be touched; empty when it may be."""
    if backend.superuser:
        return "a superuser's session"
    if not backend.is_client:
        return f"no client's session ({backend.type})"
    if matches(backend.application, (libpq.APPLICATION,)):
        return "a session of incident response itself"
    for name in (backend.user, backend.application):
        if pattern := matches(name, wanted.protected):
            return f"protected by {pattern!r} in `protected`"
    if backend.hidden:
        return f"what it does is hidden from us; GRANT pg_monitor TO {survey.login}"
    if not backend.ours:
        return f"our login may not end it; GRANT pg_signal_backend TO {survey.login}"
    if backend.writes and not may_write(backend, wanted):
        named = "name it in `allowed_writers` or " if wanted.chosen == "blockers" else ""
        return f"its transaction has written; {named}set `writers: true`"
    return ""
