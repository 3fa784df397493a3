"""Eyewitnesses: the sources that see a thing itself, asked out of turn how it is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from incident_response.domain.errors import AirflowUnavailable, IncidentResponseError
from incident_response.domain.ports import AirflowRest
from incident_response.domain.services import ServiceMap
from incident_response.domain.witnesses import Witnessed, Word, together

from .again import World
from .parallel import settle

if TYPE_CHECKING:
    from incident_response.sources.base import Source

log = logging.getLogger(__name__)

_SECONDS = 3.0  # a witness that takes longer says nothing: no page waits for it
_PAGE_SECONDS = 8.0  # for all health pages, when a repair is to be proven: no page waits for it
_FRESH = 10.0  # seconds for which a word holds: a storm asks once
# Seconds for which a silent witness is taken at its last word that all is well: an alert that was
# contradicted then, and goes on, says nothing new.
_HOLDS = 300.0
_THREADS = 16
Said = Mapping[str, Witnessed]
Ask = Callable[["Source", Sequence[str], datetime], Said]


class Eyewitnesses:
    """Docker, health pages, Airflow itself and databases. Implements `ports.Witnesses`."""

    def __init__(
        self,
        sources: Callable[[], Sequence[Source]],
        world: World,
        airflow: AirflowRest,
        services: Callable[[], ServiceMap],
    ) -> None:
        self._sources, self._world, self._airflow, self._services = sources, world, airflow, services
        self._known: dict[str, tuple[float, Witnessed]] = {}
        self._well: dict[str, tuple[float, Witnessed]] = {}
        self._lock = threading.Lock()

    def ask(self, services: Sequence[str], now: datetime) -> Said:
        """What all of them say together."""
        with self._lock:
            until = time.monotonic() - _FRESH
            self._known = {name: both for name, both in self._known.items() if both[0] > until}
            known = {name: self._known[name][1] for name in services if name in self._known}
        missing = [name for name in services if name not in known]
        if missing:
            fresh = self._ask_all(missing, now)
            with self._lock:
                known |= self._remembered(fresh, time.monotonic())
        return known

    def pages(self, services: Sequence[str], now: datetime) -> Said:
        """By a look that forgives nothing: does the function answer? One that has no page is left out."""
        wanted: dict[str, Source] = {}
        for source in self._sources():
            if getattr(source, "kind", "") == "http_health":
                wanted[source.name] = source.model_copy(
                    update={"time_limit": timedelta(seconds=_PAGE_SECONDS)}
                )
        jobs = {name: partial(self._one_page, source, services, now) for name, source in wanted.items()}
        said = settle(jobs, threads=_THREADS, seconds=_PAGE_SECONDS)
        found: dict[str, list[Witnessed]] = {}
        for answer in said.values():
            for service, word in answer.items():
                found.setdefault(service, []).append(word)
        return {service: together(words) for service, words in found.items()}

    def _one_page(self, source: Any, services: Sequence[str], now: datetime) -> Said:
        mine = [target.service for target in source.targets if target.service in services]
        return self._one(self._ask_pages, source, mine, now) if mine else {}

    def _remembered(self, fresh: Said, at: float) -> Said:
        self._well = {name: both for name, both in self._well.items() if both[0] > at - _HOLDS}
        held = {n: self._well[n][1] for n, s in fresh.items() if s.word is Word.UNKNOWN and n in self._well}
        for name, said in fresh.items():
            if said.word is Word.WELL:
                self._well[name] = (at, said)
            elif said.word is Word.BROKEN:
                self._well.pop(name, None)
        words = {**fresh, **held}
        self._known |= {name: (at, said) for name, said in words.items()}
        return words

    def _ask_all(self, services: Sequence[str], now: datetime) -> dict[str, Witnessed]:
        ways: Mapping[str, Ask] = {
            "airflow_health": self._ask_airflow,
            "docker": self._ask_docker,
            "http_health": self._ask_pages,
            "postgres": self._ask_database,
        }
        jobs: dict[str, Callable[[], Said]] = {}
        for source in self._sources():
            way = ways.get(getattr(source, "kind", ""))
            if way is not None:
                brief = source.model_copy(update={"time_limit": timedelta(seconds=_SECONDS)})
                jobs[source.name] = partial(self._one, way, brief, services, now)
        said = settle(jobs, threads=_THREADS, seconds=_SECONDS)
        if silent := sorted(jobs.keys() - said.keys()):
            log.warning("witnesses that did not answer within %g s: %s", _SECONDS, ", ".join(silent))
        return {name: together([one[name] for one in said.values() if name in one]) for name in services}

    def _one(self, way: Ask, source: Source, services: Sequence[str], now: datetime) -> Said:
        try:
            return way(source, services, now)
        except IncidentResponseError as error:
            why = Witnessed(Word.UNKNOWN, str(error))
        except (KeyError, ValueError, TypeError) as error:  # a strange answer is no word
            why = Witnessed(
                Word.UNKNOWN, f"{source.name}: its answer cannot be read ({type(error).__name__})"
            )
        return dict.fromkeys(services, why)

    def _ask_airflow(self, source: Any, services: Sequence[str], now: datetime) -> Said:
        """By `/monitor/health`: of its components those that it tells of."""
        from .airflow_components import components

        api = source.service("api_server")
        try:
            health = self._airflow.get("/monitor/health")
        except AirflowUnavailable as error:
            return {api: Witnessed(Word.BROKEN, f"Airflow's API server does not answer: {error}")}
        found = {api: Witnessed(Word.WELL, "Airflow's API server answers")}
        for part in components(health, source.heartbeat_late, now):
            broken, name = bool(part.trouble), source.service(part.name)
            text = part.trouble or f"Airflow says that its {part.name} is healthy"
            found[name] = Witnessed(Word.BROKEN if broken else Word.WELL, text)
        return {name: said for name, said in found.items() if name in services}

    def _ask_pages(self, source: Any, services: Sequence[str], now: datetime) -> Said:
        """By a look at their health pages that forgives nothing."""
        patient = {"failures": 1, "successes": 1, "retries": 0, "start_grace": timedelta()}
        targets = [t.model_copy(update=patient) for t in source.targets if t.service in services]
        if not targets:
            return {}
        strict = source.model_copy(update={"targets": tuple(targets)})
        look = self._world.make(strict).look({}, now)
        down = ("ServiceUnhealthy", "TLSCertificateExpired")
        trouble = {s.labels["service"]: s.summary for s in look.firing if s.name in down}
        return {
            target.service: Witnessed(Word.BROKEN, trouble[target.service])
            if target.service in trouble
            else Witnessed(Word.WELL, f"{target.label} answers")
            for target in targets
        }

    def _ask_docker(self, source: Any, services: Sequence[str], now: datetime) -> Said:
        """By the state of their containers, and their own health checks."""
        from incident_response.clients.docker_api import Engine
        from incident_response.sources.docker_engine import WatchedContainer

        from .docker_memory import MemoryUse
        from .docker_survey import Survey

        containers = {name: self._container(name) for name in services}
        wanted = {name: one for name, one in containers.items() if source.terms(one) is not None}
        connection = self._world.find(source.conn_id)
        if not wanted or connection is None:
            return {}
        watched = tuple(WatchedContainer(name=one) for one in sorted(set(wanted.values())))
        only = source.model_copy(update={"containers": watched, "expected": (), "ignore": ()})
        with closing(Engine(source.name, connection, _SECONDS * 0.9)) as engine:
            survey = Survey(engine, only, MemoryUse({}, now), {})
            survey.inspect()
        return {
            name: said
            for name, one in wanted.items()
            if (said := _of_container(one, survey, expected=one in source.expected)) is not None
        }

    def _container(self, service: str) -> str:
        known = self._services().service(service)
        return known.container.name if known is not None and known.container is not None else service

    def _ask_database(self, source: Any, services: Sequence[str], now: datetime) -> Said:
        """By a connection."""
        from incident_response.clients.postgres_session import database_of

        connection = self._world.find(source.conn_id)
        name = source.service or (database_of(connection) if connection else "")
        if connection is None or name not in services:
            return {}
        look = self._world.make(source.model_copy(update={"failures": 1})).look({}, now)
        down = ("DatabaseConnectionFailure", "DatabaseConnectionsExhausted")
        trouble = next((signal.summary for signal in look.firing if signal.name in down), "")
        return {name: Witnessed(Word.BROKEN, trouble) if trouble else Witnessed(Word.WELL, f"{name} answers")}


def _of_container(name: str, survey: Any, *, expected: bool) -> Witnessed | None:
    """What the engine says of one container; None when it knows nothing of it that matters."""
    from .docker_findings import why_down

    row = survey.rows.get(name)
    facts = survey.facts.get(row.id) if row else None
    if row is None:
        return Witnessed(Word.BROKEN, f"Docker: {name} does not exist") if expected else None
    if why := why_down(row, facts, expected=True):
        return Witnessed(Word.BROKEN, f"Docker: {name} {why}")
    if row.state == "restarting" or row.health == "unhealthy":
        return Witnessed(Word.BROKEN, f"Docker: {name} is {row.health or row.state}")
    if row.health == "starting":
        return None
    return Witnessed(Word.WELL, f"Docker: {name} runs{f', {row.health}' if row.health else ''}")
