"""Triggers of the sensors: each looks at rows of the store, sleeps until something is due, and looks again.

They keep no state: killed with their triggerer they go on in the next one. Their arguments name an incident
and hold no secret, because Airflow 3.1.3 shows them in its API.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from airflow.triggers.base import (
    BaseTrigger,
    TaskFailedEvent,
    TaskSkippedEvent,
    TaskSuccessEvent,
    TriggerEvent,
)

from incident_response import bootstrap
from incident_response.domain.automation import LEASE
from incident_response.domain.errors import BadInput, IncidentNotFound, IncidentResponseError
from incident_response.domain.incidents import Incident
from incident_response.domain.logs import logger
from incident_response.domain.runbooks import Remediation, RemediationState
from incident_response.service.skipping import check_of

from . import connections, lanes, work

log = logger(__name__)

_LOOK_AGAIN = 15.0  # seconds: somebody may have changed the row
_AFTER_ERROR = 5.0
_PATIENCE = 30.0  # seconds for all detectors at once; a slower one goes on by itself


@dataclass(frozen=True)
class Look:
    """What one look found: an end (`reached`, `skipped`, `failed`) with its reason, or when to look again."""

    end: str = ""
    reason: str = ""
    again: float = _LOOK_AGAIN
    resumes: bool = False  # its task goes on in a worker


def waiting(now: datetime, due: datetime | None, at_most: float = _LOOK_AGAIN) -> Look:
    """Look again when it is due, and soon anyway."""
    seconds = at_most if due is None else (due - now).total_seconds()
    return Look(again=min(max(seconds, 0.05), at_most))


def event(look: Look) -> TriggerEvent:
    """Ends the task in the triggerer: no worker is needed for it, unless it has to go on."""
    if look.resumes:
        return TriggerEvent(look.reason)
    if look.end == "failed":
        return TaskFailedEvent(xcoms={work.PROBLEM: look.reason})
    return TaskSkippedEvent() if look.end == "skipped" else TaskSuccessEvent()


class WaitingTrigger(BaseTrigger):
    """Looks until there is an end."""

    lane: ClassVar[lanes.Lane] = lanes.timers

    @abstractmethod
    def look(self, now: datetime) -> Look:
        """Look once, in a thread: no call of the Task SDK in here. Raises any IncidentResponseError."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What it was made with."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (f"{type(self).__module__}.{type(self).__qualname__}", self.arguments())

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Until the end; errors are logged when they change, and looked past."""
        problem = ""
        while True:
            try:
                await connections.ready()
                found = await self.lane.run(self._look)
                problem = ""
            except (BadInput, IncidentNotFound) as error:
                found = Look("failed", str(error))
            except IncidentResponseError as error:
                found, problem = self._later(problem, str(error))
            except Exception as error:  # noqa: BLE001 - a bug in one look must not end the waiting; the clock pages anyway
                found, problem = self._later(problem, f"{type(error).__name__}: {error}")
            if found.end:
                log.log(
                    logging.ERROR if found.end == "failed" else logging.INFO,
                    "%s: %s",
                    found.end,
                    found.reason,
                )
                yield event(found)
                return
            await asyncio.sleep(found.again)

    def _look(self) -> Look:
        return self.look(bootstrap.now())

    @staticmethod
    def _later(before: str, problem: str) -> tuple[Look, str]:
        if problem != before:
            log.warning("%s; looking again every %.0f s", problem, _AFTER_ERROR)
        return Look(again=_AFTER_ERROR), problem


class IncidentTrigger(WaitingTrigger):
    """Waits for something about one incident, and fires its timers that come due meanwhile."""

    look_again: ClassVar[float] = _LOOK_AGAIN

    def __init__(self, incident: str | int) -> None:
        super().__init__()
        self.incident = incident

    def arguments(self) -> dict[str, Any]:
        """The incident's number."""
        return {"incident": self.incident}

    def look(self, now: datetime) -> Look:
        """Read the row; fire what is due; ask whether this is the end."""
        number = work.number_in(self.incident)
        incident = work.incident(number)
        if incident.next_due_at is not None and incident.next_due_at <= now:
            # The clock may do the same at this moment: one of the two claims the row.
            bootstrap.services().clock.fire(number, bootstrap.name("sensor"), now)
            incident = work.incident(number)
        return self.judge(incident) or waiting(now, incident.next_due_at, self.look_again)

    @abstractmethod
    def judge(self, incident: Incident) -> Look | None:
        """The end, or None."""


class LevelTrigger(IncidentTrigger):
    """Until the incident's level was paged (level 1: anybody), or it is over: then it was not needed."""

    def __init__(self, incident: str | int, level: int) -> None:
        super().__init__(incident)
        self.level = level

    def arguments(self) -> dict[str, Any]:
        """Number and level."""
        return {"incident": self.incident, "level": self.level}

    def judge(self, incident: Incident) -> Look | None:
        """Reached counts, also when it is over by now."""
        if incident.level >= self.level and incident.pages:
            return Look("reached", f"{incident.key}: Level {self.level} was paged")
        if not incident.status.is_open:
            return Look(
                "skipped", f"{incident.key} is {incident.status.value}: Level {self.level} was not needed"
            )
        return None


class ResolutionTrigger(IncidentTrigger):
    """Until the incident is resolved or closed."""

    def judge(self, incident: Incident) -> Look | None:
        """A mitigated one is still being watched."""
        if incident.status.is_open:
            return None
        return Look("reached", f"{incident.key} is {incident.status.value}: {incident.resolution}")


_ENDS = {
    RemediationState.SUCCEEDED: "reached",
    RemediationState.CONTAINED: "reached",
    RemediationState.REFUSED: "skipped",
}


def _is_at_work(asked: Remediation) -> bool:
    """It acts, and not so long ago that nobody waits for its word any more."""
    began = asked.started_at
    return asked.state is RemediationState.RUNNING and began is not None and bootstrap.now() < began + LEASE


class RemediationTrigger(IncidentTrigger):
    """Until the remediations asked for in this cycle have ended; the last one's end is the answer."""

    look_again = 3.0

    def judge(self, incident: Incident) -> Look | None:
        """None asked for: skipped."""
        asked = work.remediations_of_cycle(incident)
        if not asked:
            return Look("skipped", f"{incident.key} has no runbook: people repair it")
        if not all(remediation.state.ended for remediation in asked):
            if any(_is_at_work(remediation) for remediation in asked):
                return None  # somebody else has seen it green before; its own word comes in a moment
            over = Look("skipped", f"{incident.key} is {incident.status.value} already")
            return None if incident.status.is_open else over
        last = asked[-1]
        return Look(_ENDS.get(last.state, "failed"), f"{last.run_id} {last.state.value}: {last.reason}")


class CheckTrigger(WaitingTrigger):
    """Until a check of a runbook knows: after an attempt (`rung`), or before anything is changed (`step`)."""

    lane = lanes.rest

    def __init__(
        self, incident: str | int, run_id: str, step: str = "", rung: str = "", last: bool = True
    ) -> None:
        super().__init__()
        self.incident, self.run_id, self.step, self.rung, self.last = incident, run_id, step, rung, last
        self._looks = 0

    def arguments(self) -> dict[str, Any]:
        """Number, the runbook's own run, and what is checked."""
        return {
            "incident": self.incident,
            "run_id": self.run_id,
            "step": self.step,
            "rung": self.rung,
            "last": self.last,
        }

    def look(self, now: datetime) -> Look:
        """Ask the checks once."""
        self._looks += 1
        if self._looks == 1:
            # A task that ends before the scheduler knows of its deferral is taken for a killed one.
            return Look(again=2.0)
        if self._is_due():
            return Look("reached", "something that had to wait can be done now", resumes=True)
        found = checked(**self.arguments(), now=now, acts=False)
        if not found.end:
            return Look(again=2.0 if self._looks < 30 else 10.0)
        return replace(found, resumes=found.end == "reached" and self._has_unneeded(now))

    def _is_due(self) -> bool:
        """Only a worker changes things: it has a log, and may read the kill switch."""
        job = None if self.step else work.job(self.incident, self.run_id)
        if job is None or job.remediation.state.ended:
            return False
        return bootstrap.services().running.due(job, job.runbook.step(self.rung))

    def _has_unneeded(self, now: datetime) -> bool:
        """Only a worker can tell Airflow which tasks are not needed; each would take longer than that."""
        job = work.job(self.incident, self.run_id)
        assert job is not None  # it was looked at before
        name = self.step or check_of(job.runbook.step(self.rung))
        return bool(bootstrap.services().running.skip_ahead(job, name, now))


def checked(
    incident: str | int, run_id: str, step: str, rung: str, last: bool, now: datetime, *, acts: bool = True
) -> Look:
    """Ask the checks of a runbook once; no end: ask again. `acts`: do what had to wait until now, before."""
    job = work.job(incident, run_id)
    if job is None:
        return Look("skipped", f"{run_id} is no run of a remediation")
    if job.remediation.state.ended:
        return Look("skipped", f"{run_id} {job.remediation.state.value}: {job.remediation.reason}")
    running = bootstrap.services().running
    if step:
        wanted = job.runbook.step(step)
        if wanted is None:
            raise BadInput(f"{job.runbook.name} has no step {step!r} any more; its file was changed")
        found, text = running.await_(job, wanted, now)
        ends = {True: "reached", False: "reached" if wanted.goes_on else "failed"}
    else:
        found, text = running.check(job, job.runbook.step(rung), now, acts=acts)
        ends = {True: "reached", False: "failed" if last else "skipped"}
    look = Look() if found is None else Look(ends[found], text)
    if look.end == "failed":
        work.break_off(incident, run_id, step or check_of(job.runbook.step(rung)), text)
    return look


_ROUND = timedelta(minutes=1)  # the DAG incident_detection runs as often
EVERY = "every_detector"  # in place of a detector's name


class PollTrigger(WaitingTrigger):
    """Until the detector (or every one) was polled once, by this trigger or by somebody who came first.

    Skipped: it is not due within a minute.
    """

    lane = lanes.polls

    def __init__(self, detector: str) -> None:
        super().__init__()
        self.detector = detector
        self._since: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        """The detector."""
        return {"detector": self.detector}

    def look(self, now: datetime) -> Look:
        """Let the detector look when its row is due."""
        self._since = self._since or now
        services = bootstrap.services()
        if self.detector == EVERY:
            count = services.detection.poll(now, bootstrap.name("sensor"), patience=_PATIENCE)
            return Look("reached", f"{count} detectors were due")
        if self.detector not in services.detection.names:
            known = ", ".join(services.detection.names)
            raise BadInput(f"there is no detector {self.detector!r}; there are {known}")
        if services.detection.poll(now, bootstrap.name("sensor"), names=[self.detector]):
            return Look("reached", f"{self.detector} was polled")
        with services.store.read() as tx:
            poll = next(poll for poll in tx.polls() if poll.name == self.detector)
        if poll.last_started_at and poll.last_started_at >= self._since:
            return Look("reached", f"{self.detector} was polled by {poll.last_by}")
        if poll.due_at > self._since + _ROUND:
            return Look("skipped", f"{self.detector} is not due before {poll.due_at:%Y-%m-%d %H:%M:%S} UTC")
        # Held by somebody: look whether it came to an end.
        return waiting(now, max(poll.due_at, now + timedelta(seconds=1)))
