"""Bootstrap: builds the services from settings, lazily; the only place that knows concrete classes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import settings as configuration
from .actions.kit import Kit
from .actions.registry import Actions
from .airflow_api import AirflowApi
from .channels.console import Console
from .channels.dag_runs import DagRuns
from .channels.smtp_mail import Email
from .detectors.registry import ALWAYS, Detectors
from .domain.automation import KILL_SWITCH, Switch
from .domain.connections import Connection
from .domain.errors import PolicyError
from .domain.evidence import EvidenceStore
from .domain.health import Finding
from .domain.ports import Store, Witnesses
from .domain.runbooks import resolved
from .domain.times import UTC
from .evidence_folder import EvidenceFolder, Nowhere
from .library.folder import Library, find_folder
from .library.templates import Templates
from .parameters.registry import checked
from .service.approvals import Approvals
from .service.automation import Automation
from .service.clock import Clock
from .service.delivery import Delivery
from .service.detection import Detection
from .service.doctor import Doctor
from .service.evidence import Evidence
from .service.intake import Intake
from .service.integrations import Integrations
from .service.lifecycle import Lifecycle
from .service.policy_book import PolicyBook
from .service.remediation import Remediations
from .service.review import Review
from .service.running import Running
from .service.topology import Topology
from .service.witnessing import Nobody
from .settings import Settings
from .spool import FileSpool
from .store.sql_store import SqlStore

if TYPE_CHECKING:
    from .service.replay import Replayed

KILL_VARIABLE = "incident_automation"
PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Services:
    """Everything an entry point may use."""

    settings: Settings
    store: Store
    library: Library
    policies: PolicyBook
    intake: Intake
    integrations: Integrations
    lifecycle: Lifecycle
    remediations: Remediations
    running: Running
    automation: Automation
    approvals: Approvals
    evidence: Evidence
    detection: Detection
    delivery: Delivery
    clock: Clock
    review: Review
    doctor: Doctor
    airflow: AirflowApi
    spool: FileSpool
    detectors: Detectors
    mail: Email


def now() -> datetime:
    """The present, aware and in UTC. Entry points pass it on; nothing below them asks."""
    return datetime.now(UTC)


def name(part: str) -> str:
    """Who does something: `clock@host:pid`."""
    return f"{part}@{socket.gethostname()}:{os.getpid()}"


def kill_variable() -> Switch | None:
    """The Airflow variable that switches all automation off: `off`, `false`, `no` or `0`."""
    found = configuration.variable(KILL_VARIABLE)
    if found is None or found.strip().lower() not in ("off", "false", "no", "0"):
        return None
    return Switch(KILL_SWITCH, False, f"{KILL_VARIABLE} = {found.strip()}", "an Airflow variable", now())


def make_store(settings: Settings) -> SqlStore:
    """The store that the settings name. Opens nothing yet."""
    return SqlStore(settings.store_url, schema=settings.store_schema, timeout=settings.store_timeout)


def make_library(settings: Settings) -> Library:
    """The library of include/. Raises PolicyError when the folder is missing."""
    return Library(find_folder(settings.include_folder, PACKAGE), fresh_for=1.0)


def build(
    settings: Settings,
    connection: Callable[[str], Connection | None],
    store: Store | None = None,
    shelf: EvidenceStore | None = None,
    witnesses: Witnesses | None = None,
) -> Services:
    """All services for these settings."""
    store = store or make_store(settings)
    library = make_library(settings)
    spool = FileSpool(Path(settings.spool_folder))
    policies = PolicyBook(library)
    page = settings.page_url or f"{configuration.base_url()}/incidents"
    renderer = Templates(library.folder / "templates", lambda: library.current().hours.zone, page)
    airflow = AirflowApi(lambda: connection(settings.api_conn_id))
    mail = Email(lambda: connection(settings.smtp_conn_id))
    channels = {channel.name: channel for channel in (Console(), mail)}
    grouping = Topology(library.grouping, store).current
    detectors = Detectors(library.sources, connection, airflow, settings)
    witnesses = witnesses or detectors.witnesses(lambda: grouping().services)
    intake = Intake(store, library.rules, policies, grouping, library.windows, witnesses)
    remediations = Remediations(
        store, policies, library.runbook, intake.muting, library.limits, kill_variable
    )
    evidence = Evidence(store, shelf or EvidenceFolder(settings.evidence_url))
    actions = Actions(Kit(connection, airflow, lambda: grouping().services, detectors, now, witnesses.pages))
    detection = Detection(store, detectors.current, intake, now)
    delivery = Delivery(store, channels, DagRuns(airflow), renderer)
    return Services(
        settings=settings,
        store=store,
        library=library,
        policies=policies,
        intake=intake,
        integrations=Integrations(store),
        lifecycle=Lifecycle(store, policies),
        remediations=remediations,
        running=Running(store, remediations, library.runbook, actions.get, checked, evidence),
        automation=Automation(store, kill_variable),
        approvals=Approvals(store, remediations, airflow),
        evidence=evidence,
        detection=detection,
        delivery=delivery,
        clock=Clock(store, policies, delivery, detection, intake, spool),
        review=Review(store, renderer),
        doctor=Doctor(store, library, airflow, spool, kill_variable),
        airflow=airflow,
        spool=spool,
        detectors=detectors,
        mail=mail,
    )


_built: dict[int, Services] = {}
_locks: dict[int, threading.Lock] = {}
_intakes: dict[int, Intake] = {}


def services() -> Services:
    """The services of this process. A forked child builds its own: connections do not survive a fork."""
    pid = os.getpid()
    # By process: a lock that another thread of the parent held would stay locked in a child.
    with _locks.setdefault(pid, threading.Lock()):
        if pid not in _built:
            _built[pid] = build(configuration.settings(), configuration.connection)
        return _built[pid]


def intake_only() -> Intake:
    """An intake that asks nothing of Airflow and waits for the store no longer than a failing task may
    wait.
    """
    if os.getpid() not in _intakes:
        settings = configuration.settings()
        library = make_library(settings)
        store = SqlStore(settings.store_url, schema=settings.store_schema, timeout=settings.callback_timeout)
        grouping = Topology(library.grouping, store).current
        _intakes[os.getpid()] = Intake(store, library.rules, PolicyBook(library), grouping, library.windows)
    return _intakes[os.getpid()]


def make_spool() -> FileSpool:
    """The spool alone: what still works when nothing else does."""
    return FileSpool(Path(configuration.settings().spool_folder))


def connections() -> tuple[Sequence[str], Sequence[str]]:
    """The Airflow connections that the services ask for: those they need, and those of the sources."""
    settings = configuration.settings()
    needed = (settings.api_conn_id, settings.smtp_conn_id)
    try:
        sources = services().library.sources()
    except PolicyError:  # no include/: the clock says so itself
        sources = ()
    wanted = dict.fromkeys(name for source in sources for name in source.connections)
    wanted |= dict.fromkeys(_of_checks())
    return needed, [name for name in wanted if name not in needed]


def _of_checks() -> list[str]:
    """The connections of those steps of runbooks that wait in the triggerer."""
    found: list[str] = []
    for runbook in services().library.runbooks().values():
        for step in runbook.steps:
            if step.checks:
                parameters = checked(step.action, resolved(step.parameters, runbook.values({})))
                found += parameters.connections
    return found


def detector_names() -> Sequence[str]:
    """The detectors there are, from the files alone: for the DAG that shows their polls."""
    try:
        sources = make_library(configuration.settings()).sources()
    except PolicyError:
        sources = ()
    return (*ALWAYS, *(source.name for source in sources))


def runbook_schema() -> dict[str, Any]:
    """The JSON Schema of runbook files."""
    from .library import runbook_schema as schemas  # only who writes runbooks needs it

    return schemas.schema()


def replay(number: int) -> Replayed:
    """Play a past incident again, in memory: nobody is paged, and what is seen is not kept."""
    from .service import replay as replaying  # only who plays again needs it
    from .store.memory import MemoryStore

    there = services()
    here = build(there.settings, configuration.connection, MemoryStore(), Nowhere(), Nobody())
    stage = replaying.Stage(here.store, here.intake, here.remediations, here.running)
    return replaying.replay(there.store, number, stage, now())


def report(number: int) -> str:
    """The incident report, Markdown."""
    return services().review.report(number)


def findings() -> list[Finding]:
    """What is seriously wrong right now, cheaply: for the banner of the page."""
    return services().doctor.banner(now())
