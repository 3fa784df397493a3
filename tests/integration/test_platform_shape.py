"""The platform's own shape: Airflow 3.1.3, CeleryExecutor with Redis and two slots, FAB, PostgreSQL.

Runs in an environment of its own (`scripts/celery-env`). New DAGs are paused there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.timers import TimerKind
from tests.integration.deployment import Deployment, deploy
from tests.integration.rest_proxy import RestProxy
from tests.support.celery_airflow import WORKER, CeleryAirflow
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.celery, pytest.mark.timeout(500)]


@dataclass
class Platform:
    """What can be killed."""

    house: Deployment
    airflow: CeleryAirflow
    redis: RedisServer
    proxy: RestProxy


@pytest.fixture(scope="module")
def platform(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Thirty seconds to acknowledge."""
    folder = tmp_path_factory.mktemp("platform")
    with (
        RedisServer(folder / "redis") as redis,
        SmtpServer() as smtp,
        RestProxy() as proxy,
        deploy(
            folder,
            smtp,
            database=postgres_server.create_database("platform_airflow"),
            store_url=postgres_server.create_database("platform_store"),
            policy={"acknowledge": "30 s", "page_after": "0 s"},
            proxy=proxy,
            make=partial(CeleryAirflow, redis=redis, auth="fab"),
        ) as house,
    ):
        assert isinstance(house.airflow, CeleryAirflow)
        yield Platform(house, house.airflow, redis, proxy)


@pytest.fixture
def turn(request: pytest.FixtureRequest) -> int:
    """1, and 2 for a second try, which needs names of its own: the first has left its incidents behind."""
    return int(getattr(request.node, "execution_count", 1))


def test_a_pipeline_is_repaired(platform: Platform, turn: int) -> None:
    """A listener in the Celery worker tells its failure; every step of the runbook goes through Redis."""
    house, dag_id = platform.house, ("heals", "heals_too")[turn - 1]
    house.airflow.trigger(dag_id, run_id="once")
    number = house.until("the incident", lambda: house.of(dag_id), 90).number
    house.until_status(number, Status.RESOLVED, timeout=240)
    assert [r.state for r in house.remediations(number)] == [RemediationState.SUCCEEDED]
    house.airflow.wait_run(dag_id, "once")
    assert tries(house, f"{dag_id}.load", "once") == 2


def test_with_both_slots_held_people_are_paged_on_time(platform: Platform, turn: int) -> None:
    """Paged, not acknowledged in time, escalated, while both slots of the worker sleep."""
    house = platform.house
    (house.airflow.folder / "release").unlink(missing_ok=True)
    run_id = house.airflow.trigger("holds_all_slots")
    house.until("both slots taken", lambda: len(sleeping(house)) == 2, 120)

    number = house.open(f"payment-api-{turn}")
    house.until_level(number, 2, timeout=120)
    house.until("the mail of Level 2", lambda: "level2@example.com" in house.mails(f"INC-{number}"))
    assert len(sleeping(house)) == 2
    late = {firing.kind: firing.lateness.total_seconds() for firing in house.firings(number)}
    assert {TimerKind.PAGE, TimerKind.ACKNOWLEDGE} <= late.keys()
    assert max(late.values()) < 15, late
    print(f"lateness in seconds: { {kind.word: round(seconds, 1) for kind, seconds in late.items()} }")

    (house.airflow.folder / "release").touch()
    house.airflow.wait_run("holds_all_slots", run_id, timeout=120)


def test_the_worker_is_killed_after_airflow_took_the_clear(platform: Platform, turn: int) -> None:
    """Its successor finds the clear done and clears nothing again."""
    house, proxy, dag_id = platform.house, platform.proxy, f"heals_after_{turn}"
    cleared = len(proxy.clears)
    proxy.hold("after")
    house.airflow.trigger(dag_id, run_id="crash")
    assert proxy.held.wait(180), "the clear did not come"
    platform.airflow.kill(WORKER)
    proxy.release.set()
    platform.airflow.start_worker()

    number = house.until("the incident", lambda: house.of(dag_id)).number
    house.until_status(number, Status.RESOLVED, timeout=300)
    assert len(proxy.clears) - cleared == 1
    assert tries(house, f"{dag_id}.load", "crash") == 2
    expect_no_mail_twice(house, number)


def test_redis_is_killed_with_a_step_in_its_queue(platform: Platform, turn: int) -> None:
    """What the queue held is lost: Airflow sends it again, and people are paged meanwhile."""
    house, redis, dag_id = platform.house, platform.redis, f"heals_later_{turn}"
    (house.airflow.folder / "release").unlink(missing_ok=True)
    house.airflow.trigger(dag_id, run_id="lost")
    number = house.until("the incident", lambda: house.of(dag_id), 120).number
    holding = house.airflow.trigger("holds_all_slots")
    house.until("both slots taken", lambda: len(sleeping(house)) == 2, 120)
    house.until("a step in the queue", redis.length, 90)

    redis.kill()
    other = house.open(f"while-redis-is-away-{turn}")
    house.until_level(other, 1, timeout=30)
    time.sleep(5)
    redis.start()
    (house.airflow.folder / "release").touch()

    house.until_status(number, Status.RESOLVED, timeout=300)
    assert tries(house, f"{dag_id}.load", "lost") == 2
    house.airflow.wait_run("holds_all_slots", holding, timeout=120)
    house.until_level(other, 2, timeout=90)
    expect_no_mail_twice(house, other)


def sleeping(house: Deployment) -> list[tuple[str, str, str]]:
    return [key for key in house.running() if key[0] == "holds_all_slots"]


def tries(house: Deployment, task: str, run_id: str) -> int:
    """How often a task has really run."""
    return len(list((house.airflow.folder / "tries" / task / run_id).iterdir()))


def expect_no_mail_twice(house: Deployment, number: int) -> None:
    about = [m for m in house.smtp.messages if str(m["References"]).startswith(f"<INC-{number}@")]
    ids = Counter(str(mail["Message-ID"]) for mail in about)
    assert not ids or max(ids.values()) == 1, ids
