"""Ten thousand signals of one broken database: one incident, two messages, and nothing is lost."""

from __future__ import annotations

import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pytest

from incident_response import bootstrap
from incident_response.domain.changes import OutgoingKind
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import IntegrationKind, OutgoingState, Parcel, Role, Sighting
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.service.clock import Clock
from incident_response.service.detection import Detection
from tests.acceptance.hook_server import serving, settings, start
from tests.acceptance.storming import (
    CONTAINERS,
    PIPELINES,
    ROOT,
    Sent,
    batches,
    bearer,
    later,
    send,
    storm,
    unrelated,
)
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

_MANY = 10_000
_SENT = (OutgoingState.DELIVERED, OutgoingState.PENDING, OutgoingState.SENDING, OutgoingState.UNKNOWN)


@dataclass
class Hit:
    """A store under a storm, and what its end is asked about."""

    services: bootstrap.Services
    url: str
    folder: Path
    port: int
    token: str

    @cached_property
    def clock(self) -> Clock:
        """The clock, without the detectors: no Airflow and no Prometheus is there to be looked at."""
        s = self.services
        blind = Detection(s.store, dict, s.intake, bootstrap.now)
        return Clock(s.store, s.policies, s.delivery, blind, s.intake, s.spool)

    @property
    def hook(self) -> str:
        return f"http://127.0.0.1:{self.port}/incidents/hooks/alertmanager"

    def send(self, bodies: list[bytes], **options: object) -> Sent:
        sent = send(self.hook, bearer(self.token), bodies, **options)  # type: ignore[arg-type]
        print(f"answers {dict(sent.answers)}, {sent.lasted:.1f} s")
        return sent

    def wind(self, seconds: int = 90, step: int = 5) -> None:
        """Let the clock tick through everything that is due in this time."""
        now = bootstrap.now()
        for passed in range(0, seconds, step):
            self.clock.tick(later(now, passed), "clock")

    def incidents(self) -> list[Incident]:
        with self.services.store.read() as tx:
            opened = [row.incident for row in tx.board(1000)]
            return [*opened, *tx.recent(later(bootstrap.now(), -3600), 5000)]

    def sightings(self, number: int) -> list[Sighting]:
        with self.services.store.read() as tx:
            return list(tx.sightings(number))

    def messages(self) -> list[Parcel]:
        """Pages and notices that were sent or are going to be."""
        numbers = [incident.number for incident in self.incidents()]
        with self.services.store.read() as tx:
            parcels = [parcel for number in numbers for parcel in tx.parcels(number)]
        return [p for p in parcels if p.outgoing.kind is not OutgoingKind.RUN and p.state in _SENT]


@pytest.fixture(params=["postgresql", "sqlite"])
def hit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hit]:
    """A store with a token, without a server yet."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database(f"storm_{zlib.crc32(request.node.name.encode())}")
    services = bootstrap.build(settings(url, tmp_path), lambda conn_id: None)
    services.store.migrate()  # type: ignore[attr-defined]
    kind = IntegrationKind.ALERTMANAGER
    _, token = services.integrations.add("storm", kind, {}, "test", bootstrap.now())
    yield Hit(services, url, tmp_path, free_port(), token)
    services.store.close()  # type: ignore[attr-defined]


def _service(services: bootstrap.Services, seen: Sighting) -> str:
    signal = Signal(seen.source, seen.labels, seen.summary, seen.last_at, details=seen.details)
    return services.intake.classify(signal).service


def _is_one_incident(hit: Hit) -> list[Sighting]:
    """That of the database, with everything in it; returns its signals."""
    incidents = hit.incidents()
    opened = [incident for incident in incidents if incident.status.is_open]
    assert [(i.service, i.severity, i.status) for i in opened] == [(ROOT, Severity.P1, Status.TRIGGERED)]
    (root,) = opened
    assert Counter(i.dedup_key for i in incidents).most_common(1)[0][1] == 1, "no cause was opened twice"
    for child in incidents:
        if child.number != root.number:
            assert child.merged_into is not None
            assert hit.sightings(child.number) == []
    seen = hit.sightings(root.number)
    by_role = {
        role: {_service(hit.services, one) for one in seen if one.role is role}
        for role in (Role.OWN, Role.CONSEQUENCE)
    }
    assert by_role == {Role.OWN: {ROOT}, Role.CONSEQUENCE: {*CONTAINERS, *PIPELINES}}
    assert len({one.fingerprint for one in seen}) == len(seen) == 300
    return seen


def _ticking(hit: Hit, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        hit.clock.tick(bootstrap.now(), "clock")


def test_ten_thousand_signals_are_one_incident_and_two_messages(hit: Hit) -> None:
    """The root's own alerts come after a quarter of it; the clock ticks during the storm and after it."""
    bodies = batches(storm(_MANY), 100, _start())
    stop = threading.Event()
    clock = threading.Thread(target=_ticking, args=(hit, stop), daemon=True)
    with serving(hit.url, hit.folder, hit.port):
        clock.start()
        hit.send(bodies)
        stop.set()
        clock.join(30)
    hit.wind()

    seen = _is_one_incident(hit)
    assert sum(one.count for one in seen) == _MANY
    wanted = Counter(Signal("", labels, "", _start()).fingerprint for labels in storm(_MANY))
    assert {one.fingerprint: one.count for one in seen} == wanted
    sent = Counter((p.outgoing.channel, p.outgoing.receiver) for p in hit.messages())
    print(f"messages {dict(sent)}")
    assert sent.keys() == {("console", "operations"), ("console", "stakeholders")}
    assert max(sent.values()) <= 2
    assert all(p.state is OutgoingState.DELIVERED for p in hit.messages())


@pytest.mark.parametrize("size", [1000, 1])
def test_a_thousand_alerts_of_one_host_are_one_incident_and_one_page_a_minute(hit: Hit, size: int) -> None:
    """In one body, and in a thousand over eight connections, with the clock ticking; each one is reachable."""
    bodies = batches(unrelated(1000), size, _start())
    stop = threading.Event()
    clock = threading.Thread(target=_ticking, args=(hit, stop), daemon=True)
    with serving(hit.url, hit.folder, hit.port):
        clock.start()
        hit.send(bodies)
        stop.set()
        clock.join(30)
    hit.wind(150)

    with hit.services.store.read() as tx:
        still = [row.incident for row in tx.board(2000)]
        members = tx.recent(later(bootstrap.now(), -3600), 2000)
    (umbrella,) = still
    assert umbrella.title == "Storm: 1,000 alerts at once"
    assert {member.merged_into for member in members} == {umbrella.number}
    assert len(members) == 1000
    pages = [p for p in hit.messages() if p.outgoing.kind is OutgoingKind.PAGE]
    times = sorted(p.created_at for p in pages)
    print(f"pages {[(p.outgoing.incident, p.created_at.isoformat()) for p in pages]}")
    assert len(pages) <= 2
    assert all((b - a).total_seconds() >= 60 for a, b in zip(times, times[1:], strict=False))


def test_a_server_killed_in_the_middle_of_the_storm_loses_nothing(hit: Hit) -> None:
    """kill -9 with eight requests under way, and a restart: what was answered is counted, once."""
    signals = storm(_MANY * 3 // 10)
    bodies = batches(signals, 100, _start())
    server = start(hit.url, hit.folder, hit.port)
    half, restarted = threading.Event(), []

    def restart() -> None:
        half.wait(60)
        server.kill()
        restarted.append(start(hit.url, hit.folder, hit.port))

    killer = threading.Thread(target=restart, daemon=True)
    killer.start()
    try:
        sent = hit.send(bodies, on_taken=lambda taken: taken >= len(bodies) // 2 and half.set())
        killer.join(60)
    finally:
        (restarted or [server])[-1].kill()
    hit.wind()

    assert sent.answers[0] > 0, "nothing was under way when the server was killed"
    seen = {one.fingerprint: one.count for one in _is_one_incident(hit)}
    least = Counter(Signal("", labels, "", _start()).fingerprint for labels in signals)
    # A body whose answer was lost with the server may have been taken, and was sent once more.
    most = least + Counter(
        Signal("", labels, "", _start()).fingerprint
        for number in sent.unanswered
        for labels in signals[number * 100 : (number + 1) * 100]
    )
    assert {p for p in least if not least[p] <= seen[p] <= most[p]} == set()
    print(f"{sum(seen.values()) - sum(least.values())} signals were taken twice")


_STARTED = bootstrap.now()


def _start() -> datetime:
    return _STARTED
