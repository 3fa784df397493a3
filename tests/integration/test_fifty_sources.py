"""Fifty sources, two of which hang: the others are looked at on time, and no worker slot is held for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from incident_response.domain.records import Poll
from incident_response.domain.severities import Severity
from incident_response.orchestration.compat import STARTS_IN_TRIGGERER
from incident_response.service.detection import FAILING
from tests.integration.deployment import Deployment, deploy
from tests.support.answers import Answers, Asked
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

_DAG = "incident_detection"
_INTERVAL, _LIMIT = 5, 3  # seconds
_HEALTHY = [f"service_{number:02}" for number in range(48)]
_SILENT, _DEAD = "silent", "dead"  # a service that hangs is a finding; a Prometheus that hangs is blindness
Seen = dict[str, list[float]]


def _sources(url: str) -> list[dict[str, object]]:
    rhythm = {"interval": f"{_INTERVAL} s", "time_limit": f"{_LIMIT} s"}
    health = [
        {
            **rhythm,
            "name": name,
            "kind": "http_health",
            "targets": [{"service": name, "url": f"{url}/{name}", "retries": 0}],
        }
        for name in (*_HEALTHY, _SILENT)
    ]
    return [*health, {**rhythm, "name": _DEAD, "kind": "prometheus", "conn_id": _DEAD}]


@pytest.fixture(scope="module")
def answers() -> Iterator[tuple[Answers, Seen]]:
    """A server that answers for 48 services, notes when it was asked, and never answers for two others."""
    seen: Seen = defaultdict(list)

    def well(name: str, _: Asked) -> dict[str, str]:
        seen[name].append(time.monotonic())
        return {"status": "well"}

    def hang(server: Answers, _: Asked) -> dict[str, str]:
        server.hang(20)
        return {}

    with Answers({f"/{name}": partial(well, name) for name in _HEALTHY}) as server:
        server.on |= dict.fromkeys((f"/{_SILENT}", "/api/v1/alerts", "/api/v1/query"), partial(hang, server))
        yield server, seen


@pytest.fixture(scope="module")
def house(
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    answers: tuple[Answers, Seen],
) -> Iterator[Deployment]:
    """With two slots."""
    server, _ = answers
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("fifty"),
            smtp,
            database=postgres_server.create_database("fifty_airflow"),
            store_url=postgres_server.create_database("fifty_store"),
            env={f"AIRFLOW_CONN_{_DEAD.upper()}": json.dumps({"conn_type": "http", "host": server.url})},
            sources=_sources(server.url),
        ) as deployment,
    ):
        yield deployment


def _polls(house: Deployment) -> dict[str, Poll]:
    with house.store.read() as tx:
        return {poll.name: poll for poll in tx.polls()}


@contextlib.contextmanager
def _watched(house: Deployment) -> Iterator[list[float]]:
    """Seconds during which a task of the round was seen in a slot, sampled as fast as Airflow answers."""
    held: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        before = time.monotonic()
        while not stop.wait(0.1):
            tasks = [key for key in house.running() if key[0] == _DAG]
            now = time.monotonic()
            if tasks:
                held.append((now - before) * len(tasks))
            before = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join(10)


def test_a_round_of_fifty_takes_no_slot(house: Deployment) -> None:
    """None at all where sensors start in the triggerer; before that one task, until it has deferred."""
    house.airflow.wait_dag(_DAG)
    with _watched(house) as held:
        run_id = house.airflow.trigger(_DAG)
        house.airflow.wait_run(_DAG, run_id, timeout=60)
    print(f"{sum(held):.1f} s of a slot for {run_id}")
    if STARTS_IN_TRIGGERER:
        assert held == []
    else:
        assert sum(held) < 3
    waiting = [poll for poll in _polls(house).values() if poll.last_started_at is None]
    assert waiting == []


def test_with_every_slot_taken_all_are_looked_at_on_time(
    house: Deployment, answers: tuple[Answers, Seen]
) -> None:
    """48 answer, in their rhythm; of the two that hang each is alone with its trouble."""
    _, seen = answers
    run_id = house.airflow.trigger("holds_all_slots")
    house.until("both slots taken", lambda: len(_sleeping(house)) == 2, 60)
    began = time.monotonic()
    blind = house.until("blindness", lambda: house.of(_DEAD), 60)
    time.sleep(max(0.0, began + 17 - time.monotonic()))
    ended = time.monotonic()

    gaps = {
        name: max(b - a for a, b in pairwise([began, *(t for t in seen[name] if began < t < ended), ended]))
        for name in _HEALTHY
    }
    print(f"longest gap {max(gaps.values()):.1f} s, of {ended - began:.1f} s with every slot taken")
    assert max(gaps.values()) < _INTERVAL + 10, gaps
    assert len(_sleeping(house)) == 2

    assert blind.severity is Severity.P3
    assert [s.labels["alertname"] for s in house.sightings(blind.number)] == [FAILING]
    polls = _polls(house)
    assert polls[_DEAD].failures >= 3
    assert {name: polls[name].error for name in (*_HEALTHY, _SILENT)} == dict.fromkeys(
        (*_HEALTHY, _SILENT), ""
    )
    down = house.until("the silent service", lambda: house.of(_SILENT), 30)
    assert [s.labels["alertname"] for s in house.sightings(down.number)] == ["ServiceUnhealthy"]
    assert {i.service for i in house.incidents()} == {_DEAD, _SILENT}
    spans = [p.last_ok_at - p.last_started_at for p in polls.values() if p.last_ok_at and p.last_started_at]
    assert min(spans) < timedelta(seconds=_LIMIT)

    (house.airflow.folder / "release").touch()
    house.airflow.wait_run("holds_all_slots", run_id)


def _sleeping(house: Deployment) -> list[tuple[str, str, str]]:
    return [key for key in house.running() if key[0] == "holds_all_slots"]
