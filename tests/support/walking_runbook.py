"""Walks through a runbook as the tasks of its DAG do, in real time, without Airflow."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from incident_response import bootstrap
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.connections import Connection
from incident_response.domain.errors import (
    AirflowRefused,
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    IncidentResponseError,
    NotConfigured,
    Refused,
    RunbookNotFound,
    Unknown,
)
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.runbooks import (
    Phase,
    Remediation,
    RemediationState,
    Runbook,
    Step,
    StepState,
)
from incident_response.domain.signals import Signal
from incident_response.service import remediation
from incident_response.service.job import Job
from incident_response.settings import Settings
from incident_response.store.memory import MemoryStore
from incident_response.store.sql_store import SqlStore
from tests.support.shipped import INCLUDE

_FINAL = (
    AirflowRefused, BadInput, IllegalTransition, IncidentNotFound, Refused, RunbookNotFound, Unknown,
)  # fmt: skip
_TRIES = 3  # of a task, as the house's rules have it
_PAUSE = 0.3  # seconds between two questions to a check
_PATIENCE = 60  # seconds for one check
MOMENTS = ("behind", "claimed", "acted")  # the step; its change before it is tried; after it was done


@dataclass(frozen=True)
class Ground:
    """Where the files are, and the Airflow connections. Goes to other processes, too."""

    folder: Path
    connections: Mapping[str, Connection]

    @classmethod
    def new(cls, folder: Path, connections: Mapping[str, Connection]) -> Ground:
        """With a copy of the shipped files."""
        shutil.copytree(INCLUDE, folder / "include")
        return cls(folder, connections)

    def write(self, name: str, text: str) -> None:
        """In place of a file of include/."""
        (self.folder / "include" / name).write_text(text)

    def edit(self, name: str, **values: str) -> None:
        """Give `key: …` another value wherever it stands in a file; a key that is not there is an error."""
        path = self.folder / "include" / name
        text = path.read_text()
        for key, value in values.items():
            text, found = re.subn(rf"\b{key}: [^,}}\n#]*[^\s,}}#]", f"{key}: {value}", text)
            assert found, f"{key} is not in {name}"
        path.write_text(text)

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder}/store.db"

    def migrate(self) -> None:
        store = SqlStore(self.store_url)
        store.migrate()
        store.close()

    def services(self, store: Store | None = None) -> bootstrap.Services:
        """On the SQLite file, unless told otherwise."""
        settings = Settings(
            store_url=self.store_url,
            spool_folder=str(self.folder / "spool"),
            evidence_url=str(self.folder / "evidence"),
            include_folder=str(self.folder / "include"),
            page_url="http://airflow/incidents",
        )
        return bootstrap.build(settings, self.connections.get, store)


class Walk:
    """One remediation of one incident, task by task."""

    def __init__(
        self, services: bootstrap.Services, number: int, run_id: str, approval: bool | None = None
    ) -> None:
        """`approval`: what a person says who is asked; None: nobody says anything in time."""
        self.services, self.number, self.run_id, self.approval = services, number, run_id, approval

    @property
    def job(self) -> Job:
        found = self.services.running.job(self.number, self.run_id)
        assert found is not None
        return found

    def all(self, behind: Callable[[str], None] = lambda task: None) -> Remediation:
        """Every task in the order of the DAG. `behind` is called after each."""
        red: tuple[str, str] | None = None
        unneeded: set[str] = set()
        for name, call in self.tasks(self.job.runbook):
            if red is None and name not in unneeded:
                if problem := self._guarded(call):
                    red = name, problem
                else:
                    ahead = self.services.running.skip_ahead
                    unneeded |= set(ahead(self.job, name, bootstrap.now()))
            behind(name)
        job = self.job
        if not job.remediation.state.ended:
            self.services.running.conclude(job, red, bootstrap.now())
        behind("conclude")
        return self.job.remediation

    def tasks(self, runbook: Runbook) -> Iterator[tuple[str, Callable[[Job], str]]]:
        """As orchestration/runbook_dag.py has them. A call returns why it is red; empty: it is not."""
        running, now = self.services.running, bootstrap.now

        def look(step: Step) -> Callable[[Job], str]:
            return lambda job: _nothing(running.look(job, step, now()))

        def act(step: Step) -> Callable[[Job], str]:
            return lambda job: _nothing(running.act(job, step, now))

        def restore(step: Step) -> Callable[[Job], str]:
            return lambda job: _nothing(running.restore(job, step, now))

        for step in runbook.of(Phase.DIAGNOSE):
            yield step.name, self._awaits(step) if step.checks else look(step)
        rungs = runbook.of(Phase.REPAIR)
        if rungs or runbook.of(Phase.CONTAIN):
            if runbook.asks:
                yield "plan", lambda job: _nothing(running.plan(job, now()))
                yield "approve", self._approve
            yield "guard", self._guard
            for step in runbook.of(Phase.CONTAIN):
                yield step.name, act(step)
            for rung in rungs:
                yield rung.name, act(rung)
                yield f"verify_{rung.name}", self._verifies(rung, last=rung is rungs[-1])
        elif runbook.of(Phase.VERIFY):
            yield "verify", self._verifies(None, last=True)
        for step in runbook.of(Phase.RESTORE):
            yield step.name, restore(step)

    def _guarded(self, call: Callable[[Job], str]) -> str:
        """What RunbookOperator.guarded and Airflow's retries do: why the task is red, or nothing."""
        problem = ""
        for _ in range(_TRIES):
            job = self.job
            if job.remediation.state.ended:
                return ""
            try:
                return call(job)
            except NotConfigured as error:
                reason = f"not configured: {error}"
                self.services.remediations.end(
                    self.number, job.remediation.attempt, RemediationState.REFUSED, reason, bootstrap.now()
                )
                return ""
            except _FINAL as error:
                return str(error)
            except IncidentResponseError as error:
                problem = str(error)
                time.sleep(_PAUSE)
        return problem

    def _guard(self, job: Job) -> str:
        running = self.services.running
        running.plan(job, bootstrap.now())
        running.guard(self.job, bootstrap.now())
        return ""

    def _approve(self, job: Job) -> str:
        remediations, now = self.services.remediations, bootstrap.now()
        attempt = job.remediation.attempt
        if not job.asks:
            return ""
        verdict = remediations.judge(self.number, attempt, job.targets, now, approved_by="somebody")
        if not verdict.allowed:
            remediations.begin(self.number, attempt, job.targets, now)
            return ""
        self.services.running.ask(job, now)
        if self.approval is None:
            reason = f"approval: nobody approved it within {job.runbook.approve_within}"
            remediations.end(self.number, attempt, RemediationState.REFUSED, reason, now, job.causes)
        else:
            remediations.approve(self.number, attempt, "ann", now, yes=self.approval)
        return ""

    def _awaits(self, step: Step) -> Callable[[Job], str]:
        ask = self.services.running.await_
        return lambda job: self._until_known(lambda at: ask(at, step, bootstrap.now()), red=not step.goes_on)

    def _verifies(self, rung: Step | None, *, last: bool) -> Callable[[Job], str]:
        ask = self.services.running.check
        return lambda job: self._until_known(lambda at: ask(at, rung, bootstrap.now()), red=last)

    def _until_known(self, ask: Callable[[Job], tuple[bool | None, str]], *, red: bool) -> str:
        """What the trigger of a sensor does."""
        deadline = time.monotonic() + _PATIENCE
        while not (job := self.job).remediation.state.ended:
            found, text = ask(job)
            if found is not None:
                return text if found is False and red else ""
            assert time.monotonic() < deadline, text
            time.sleep(_PAUSE)
        return ""


def task_names(runbook: Runbook) -> list[str]:
    """In the order of the DAG."""
    return [*(name for name, _ in Walk(Mock(), 0, "").tasks(runbook)), "conclude"]


class Site:
    """Services on a ground, and a person's view of what they do."""

    def __init__(self, ground: Ground, store: Store | None = None) -> None:
        self.ground = ground
        self.services = ground.services(store or MemoryStore())

    def alert(self, source: str, alertname: str, service: str, **labels: str) -> int:
        """The incident to which this alert goes."""
        now = bootstrap.now()
        found = Signal(
            source, {"alertname": alertname, "service": service, **labels}, f"{alertname} of {service}", now
        )
        number = self.services.intake.receive([found], now)[0].incident
        assert number is not None
        return number

    def container(self, alertname: str, name: str) -> int:
        """As the Docker detector tells it."""
        return self.alert("docker", alertname, name, container=name, component="api")

    def ask(
        self, number: int, by: str = "system:triage", runbook: str | None = None, **parameters: str
    ) -> str:
        """Ask for the runbook of the incident's rule, or for another one. The id of its run."""
        asked = self.services.remediations.request(number, by, bootstrap.now(), runbook, parameters)
        return asked.run_id

    def walk(
        self, number: int, by: str = "system:triage", approval: bool | None = None, **parameters: str
    ) -> Remediation:
        """Ask for it, and walk through all of it."""
        return Walk(self.services, number, self.ask(number, by, **parameters), approval).all()

    def incident(self, number: int) -> Incident:
        with self.services.store.read() as tx:
            return tx.get(number)

    def text(self, number: int) -> str:
        """The timeline."""
        with self.services.store.read() as tx:
            return "\n".join(event.text for event in tx.timeline(number))

    def effects(self, number: int) -> list[str]:
        """What was changed, as the timeline has it."""
        with self.services.store.read() as tx:
            return [event.text for event in tx.timeline(number) if "effect" in event.data]

    def states(self, number: int, run_id: str) -> dict[str, StepState]:
        """What became of each step."""
        job = self.services.running.job(number, run_id)
        assert job is not None
        return {name: result.state for name, result in job.results.items()}


# --- in a process of its own


def in_child(ground: Ground, number: int, run_id: str, step: str = "", moment: str = "") -> None:
    """Walk; die by SIGKILL at that moment of that step. Whoever is asked for an approval says yes."""
    alone()
    services = ground.services()
    if moment in ("claimed", "acted"):
        _within(services, step, moment, _die)
    walk = Walk(services, number, run_id, approval=True)
    walk.all(lambda name: _die() if (name, "behind") == (step, moment) else None)


def alone() -> None:
    """There is no Airflow to ask."""
    bootstrap.kill_variable = lambda: None


def in_frozen_child(ground: Ground, number: int, run_id: str, step: str, moment: str, lease: float) -> None:
    """Walk with a lease of so many seconds; freeze at that moment of that step, until somebody thaws it.

    `asked`: a moment before Docker is asked to change something.
    """
    alone()
    leases: Any = remediation
    leases.LEASE = timedelta(seconds=lease)
    services = ground.services()
    if moment == "asked":
        engine: Any = WritingEngine
        ask = engine._change
        engine._change = lambda *asked: (_freeze(), ask(*asked))[1]
    else:
        _within(services, step, moment, _freeze)
    Walk(services, number, run_id, approval=True).all()


def _within(services: bootstrap.Services, step: str, moment: str, what: Callable[[], None]) -> None:
    """It happens between the claim of an effect and the word that it happened."""
    remediations: Any = services.remediations
    begin, end = remediations.begin_effect, remediations.end_effect

    def begin_effect(key: str, *rest: Any) -> str | None:
        before: str | None = begin(key, *rest)
        if key.split(":")[2] == step and moment == "claimed":
            what()
        return before

    def end_effect(key: str, *rest: Any) -> None:
        if key.split(":")[2] == step and moment == "acted":
            what()
        end(key, *rest)

    remediations.begin_effect, remediations.end_effect = begin_effect, end_effect


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _freeze() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _nothing(_: str) -> str:
    """What a step says is no problem."""
    return ""
