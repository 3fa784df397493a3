"""The shipped runbooks mend what is broken for real, and say what they did and what proved it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from tests.integration.actions.postgres_under_test import (
    Background,
    alive,
    execute,
    sql,
    transaction,
    until_blocked,
    until_state,
)
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site

from .conftest import Containers

pytestmark = pytest.mark.integration

INSERT = "INSERT INTO fact_energy_annual VALUES ('SE', 2024, 1)"


def healed(site: Site, number: int, run_id_end: Any, *said: str) -> None:
    """Mitigated, and the report names what was done and what proved it."""
    report = site.services.review.report(number)
    assert run_id_end.state is RemediationState.SUCCEEDED, site.text(number)
    assert site.incident(number).status is Status.MITIGATED
    for words in ("Guard allowed it", "Proven: ", run_id_end.reason, *said):
        assert words in report, report


# --- containers


def test_a_killed_container(containers: Containers, site: Site) -> None:
    containers.down()
    containers.engine.serve("db")
    containers.engine.wait_health("db", "healthy")
    containers.mark()
    number = site.container("ContainerDown", "api")

    end = site.walk(number)

    healed(site, number, end, "api exited with code 137", "Restarted the container api", "api is healthy")
    assert containers.events() == ["start api", "restart api"]
    with site.services.store.read() as tx:
        assert [one.step for one in tx.exhibits(number)] == ["status"]  # it logged nothing


def test_one_that_starts_unhealthy_twice_and_then_recovers(containers: Containers, site: Site) -> None:
    """It has its start grace."""
    script = "rm -f /www/health; (sleep 1.5; echo ok > /www/health) & exec httpd -f -p 8080 -h /www"
    check = {
        "test": ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/health"],
        "interval": 300_000_000,
        "timeout": 1_000_000_000,
        "retries": 2,
    }
    containers.engine.run("other", script, healthcheck=check).kill()
    containers.engine.wait_state("other", "exited")
    containers.mark()
    number = site.container("ContainerUnhealthy", "other")

    end = site.walk(number)

    healed(site, number, end, "Restarted the container other", "other is healthy")
    told = containers.engine.client.events(since=containers.since.timestamp(), until=time.time(), decode=True)
    health = [event["Action"] for event in told if event["Action"].startswith("health_status")]
    assert health == ["health_status: unhealthy", "health_status: healthy"]
    assert containers.events("restart") == ["restart other"]


def test_a_service_behind_a_dependency_that_is_down(
    containers: Containers, site: Site, tmp_path: Path
) -> None:
    """The dependency is mended, the service recovers with it and is left alone."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "up").touch()
    containers.engine.serve(
        "api",
        volumes=[f"{shared}:/shared"],
        healthcheck={"test": ["CMD", "cat", "/shared/up"], "interval": 300_000_000, "retries": 2},
    )
    check = {"test": ["CMD", "true"], "interval": 300_000_000}
    begin = "touch /shared/up; exec sleep 600"
    database = containers.engine.run("db", begin, volumes=[f"{shared}:/shared"], healthcheck=check)
    time.sleep(3)  # the service is older than its start grace: it counts as down
    database.kill()
    containers.engine.wait_state("db", "exited")
    (shared / "up").unlink()
    containers.engine.wait_health("api", "unhealthy")
    before = containers.started("api"), containers.started("db")
    number = site.container("ContainerUnhealthy", "api")

    end = site.walk(number)

    healed(site, number, end, "Restarted the container db", "api is healthy")
    assert containers.started("api") == before[0]
    assert containers.started("db") != before[1]


def test_a_container_killed_for_memory(containers: Containers, site: Site) -> None:
    """It gets half as much again, below its ceiling, and comes back."""
    fill = (
        "echo ok > /www/health; x=a; while [ ${#x} -lt 8000000 ]; do x=$x$x; done; "
        "exec httpd -f -p 8080 -h /www"
    )
    check = {"test": ["CMD", "cat", "/www/health"], "interval": 300_000_000, "retries": 2}
    containers.engine.serve("db")
    containers.engine.run("api", fill, mem_limit="16m", memswap_limit="16m", healthcheck=check)
    containers.engine.wait_state("api", "exited")
    containers.mark()
    number = site.container("ContainerOOMKilled", "api")

    end = site.walk(number)

    healed(site, number, end, "Raised the memory limit of api from 16 MB to 24 MB", "api is healthy")
    assert containers.inspect("api")["HostConfig"]["Memory"] == 24 * 2**20
    assert containers.events("restart", "update") == ["update api", "restart api"]


# --- the database


def test_a_blocked_table(postgres: PostgresServer, sessions: Callable[..., Any], site: Site) -> None:
    """With the times that are shipped: what has waited for ten seconds goes through."""
    holder, writer = sessions("app", "web"), sessions("etl", "load")
    root = transaction(holder, "LOCK fact_energy_annual IN SHARE MODE")
    with Background(writer, INSERT) as waiting:
        until_blocked(postgres, writer.get_backend_pid())
        time.sleep(10.2)
        number = site.alert(
            "postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy", component="database"
        )

        end = site.walk(number)

        waiting.wait()
        assert waiting.done
    healed(site, number, end, f"Ended the session of pid {root}", "answers within")
    assert not alive(postgres, root)


def test_a_blocker_that_survives_its_cancelling_is_ended(
    postgres: PostgresServer, sessions: Callable[..., Any], ground: Ground
) -> None:
    """The first attempt has no effect: a lock from before a savepoint is kept. Nothing proves it."""
    quick(ground)
    site = Site(ground)
    with Stubborn(postgres, sessions) as blocked:
        number = site.alert("postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy")

        end = site.walk(number)

        blocked.waiting.wait()
        assert blocked.waiting.done
    healed(site, number, end, "Cancelled the statement of", "Ended the session of", "not proven within")
    assert not alive(postgres, blocked.root)


def test_connections_exhausted_by_idle_sessions(
    postgres: PostgresServer, sessions: Callable[..., Any], site: Site
) -> None:
    """The oldest ten go; an ingestion that is idle stays."""
    kept = sessions("etl", "entsoe_ingestion").get_backend_pid()
    idle = [sessions("app", "pool").get_backend_pid() for _ in range(14)]
    wait_for(lambda: all(alive(postgres, pid) for pid in idle), "sessions")
    time.sleep(1.1)
    number = site.alert("postgres", "DatabaseConnectionsExhausted", "lianel_energy", database="lianel_energy")

    end = site.walk(number, idle="1 s")

    healed(site, number, end, "Ended the session of", "of the connections are in use")
    assert len([pid for pid in idle if alive(postgres, pid)]) == 4
    assert alive(postgres, kept)


def quick(ground: Ground) -> None:
    """A second in place of ten, and of the minute in which the database has to prove itself."""
    ground.edit("runbooks/database-maintenance.yaml", older_than="1 s", blocked_after="1 s", within="2 s")


class Stubborn:
    """A session that holds a lock also after its statement was cancelled, and one that waits for it."""

    def __init__(
        self, postgres: PostgresServer, sessions: Callable[..., Any], savepoint: bool = True
    ) -> None:
        self.postgres, self.holder, self.writer = postgres, sessions("app", "web"), sessions("etl", "load")
        self.root = transaction(self.holder, "SET LOCAL statement_timeout = 0")
        execute(self.holder, "LOCK fact_energy_annual IN SHARE MODE")
        if savepoint:
            execute(self.holder, "SAVEPOINT before")
        self.sleeping = Background(self.holder, "SELECT pg_sleep(600)")
        self.waiting = Background(self.writer, INSERT)

    def __enter__(self) -> Stubborn:
        self.sleeping.__enter__()
        until_state(self.postgres, self.root, "active")
        self.waiting.__enter__()
        until_blocked(self.postgres, self.writer.get_backend_pid())
        time.sleep(1.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.waiting.__exit__()
        if alive(self.postgres, self.root):
            sql(self.postgres, "SELECT pg_terminate_backend(%s)", (self.root,))
        self.sleeping.__exit__()
