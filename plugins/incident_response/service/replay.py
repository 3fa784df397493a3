"""Replay: what today's rules and runbooks would make of a past incident. Reads the world, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from incident_response.domain.errors import BadInput, IncidentResponseError
from incident_response.domain.guard import Verdict
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.records import Role
from incident_response.domain.runbooks import Phase, StepResult

from .groups import again
from .intake import Intake
from .job import PLAN, Job
from .remediation import Remediations
from .running import Running

_FIELDS = ("severity", "scenario", "service", "rule", "level", "runbook", "title")
_BY = "system:replay"


@dataclass(frozen=True)
class Difference:
    """One thing, as it was decided then and as it would be now."""

    name: str
    then: str
    now: str

    @property
    def same(self) -> bool:
        """True when nothing has changed."""
        return self.then == self.now


@dataclass(frozen=True)
class Replayed:
    """The whole answer. Steps and verdict are those of today's runbook; without one there are none."""

    incident: Incident
    differences: Sequence[Difference]
    steps: Sequence[StepResult]
    verdict: Verdict | None
    problem: str = ""  # why the runbook could not look or plan


@dataclass(frozen=True)
class Stage:
    """A house in memory in which it is played: nobody is paged from it, and nothing acts."""

    store: Store
    intake: Intake
    remediations: Remediations
    running: Running


def replay(store: Store, number: int, stage: Stage, now: datetime) -> Replayed:
    """Play the signals of one incident again. Raises IncidentNotFound, BadInput."""
    with store.read() as tx:
        past = tx.get(number)
        seen = [one for one in tx.sightings(number) if one.role is Role.OWN]
        before = [step for step in tx.steps(number) if step.attempt == 1]
        asked = next(iter(tx.remediations(number)), None)
    if not seen:
        raise BadInput(f"{past.key} keeps no signal of its own that could be played again")
    signals = [replace(again(one), firing=True, occurred_at=now) for one in seen]
    receipts = [one.incident for one in stage.intake.receive(signals, now) if one.incident is not None]
    if not receipts:
        raise BadInput(f"today nothing would be opened for {past.key}: its signals are muted")
    with stage.store.read() as tx:
        played = tx.get(receipts[0])
    steps, verdict, problem = _rehearse(stage, played, now)
    found = [_difference(name, getattr(past, name), getattr(played, name)) for name in _FIELDS]
    found.append(_difference("causes", _causes(before), _causes(steps)))
    found.append(_difference("plan", _plan(before) if asked else "", _plan(steps)))
    return Replayed(past, found, steps, verdict, problem)


def _rehearse(
    stage: Stage, played: Incident, now: datetime
) -> tuple[Sequence[StepResult], Verdict | None, str]:
    """Look and plan as today's runbook does, and ask the guard."""
    if not played.runbook:
        return (), None, ""
    running = stage.running
    try:
        asked = stage.remediations.request(played.number, _BY, now)

        def job() -> Job:
            found = running.job(played.number, asked.run_id)
            assert found is not None
            return found

        for step in job().runbook.of(Phase.DIAGNOSE):
            if running.waits(step):
                running.await_(job(), step, now)
            else:
                running.look(job(), step, now)
        running.plan(job(), now)
        verdict = stage.remediations.judge(played.number, asked.attempt, job().targets, now, "somebody")
    except IncidentResponseError as error:
        with stage.store.read() as tx:
            return tx.steps(played.number), None, str(error)
    return list(job().results.values()), verdict, ""


def _difference(name: str, then: object, now: object) -> Difference:
    return Difference(name, _shown(then), _shown(now))


def _shown(value: object) -> str:
    plain = getattr(value, "value", value)
    return "none" if plain in (None, "") else str(plain)


def _causes(steps: Sequence[StepResult]) -> str:
    return ", ".join(sorted({cause for step in steps for cause in step.causes}))


def _plan(steps: Sequence[StepResult]) -> str:
    return next((step.text.removeprefix("Plan: ") for step in steps if step.step == PLAN), "")
