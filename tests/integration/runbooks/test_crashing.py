"""SIGKILL at every boundary of every step: nothing is done twice, or a person is told that nobody knows.

One process walks and dies, another one walks again from the start, as another worker does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState, StepState
from incident_response.library.folder import Library
from tests.integration.actions.postgres_under_test import alive
from tests.support.postgres import PostgresServer
from tests.support.shipped import INCLUDE
from tests.support.walking_runbook import Ground, Site, task_names

from .conftest import Children, Containers
from .test_healing import Stubborn, quick

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]  # minutes, and nothing in it knows Airflow


def tasks(name: str) -> list[str]:
    runbook = Library(INCLUDE).runbook(name)
    assert runbook is not None
    return task_names(runbook)


def boundaries(name: str, changes: tuple[str, ...], until: str = "conclude") -> list[tuple[str, str]]:
    """Behind each task of the runbook, and in the middle of those steps that change something here."""
    names = tasks(name)
    return [
        *((task, "behind") for task in names[: names.index(until) + 1]),
        *((step, moment) for step in changes for moment in ("claimed", "acted")),
    ]


def durable(ground: Ground) -> Site:
    ground.migrate()
    return Site(ground, ground.services().store)


def crash_and_go_on(site: Site, children: Children, number: int, step: str, moment: str, **asked: str) -> str:
    """The run's id."""
    run_id = site.ask(number, **asked)
    children.walk(site.ground, number, run_id, step, moment)
    children.walk(site.ground, number, run_id)
    return run_id


def end(site: Site, number: int, run_id: str) -> tuple[RemediationState, Status]:
    job = site.services.running.job(number, run_id)
    assert job is not None
    assert not [result for result in job.results.values() if result.state is StepState.RUNNING]
    assert not site.services.automation.leases()
    return job.remediation.state, site.incident(number).status


@pytest.mark.parametrize(("step", "moment"), boundaries("service-restart", ("more_memory", "restart")))
def test_service_restart(
    containers: Containers, ground: Ground, children: Children, step: str, moment: str
) -> None:
    """Killed for memory: its limit is raised once, and it is restarted once."""
    fill = (
        "echo ok > /www/health; x=a; while [ ${#x} -lt 8000000 ]; do x=$x$x; done; "
        "exec httpd -f -p 8080 -h /www"
    )
    check = {"test": ["CMD", "cat", "/www/health"], "interval": 300_000_000, "retries": 2}
    containers.engine.run("other", fill, mem_limit="16m", memswap_limit="16m", healthcheck=check)
    containers.engine.wait_state("other", "exited")
    ground.write("policy/services.yaml", SERVICES_WITH_A_CEILING)
    containers.mark()
    site = durable(ground)
    number = site.container("ContainerOOMKilled", "other")

    run_id = crash_and_go_on(site, children, number, step, moment)

    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert containers.events("update", "start", "restart") == ["update other", "start other", "restart other"]
    assert containers.inspect("other")["RestartCount"] == 0
    assert len(site.effects(number)) == 2
    assert ("found done after an interruption" in site.text(number)) == (moment == "acted")


CANCELS = ("cancel_blockers",), "verify_cancel_blockers"


@pytest.mark.parametrize(("step", "moment"), boundaries("database-maintenance", *CANCELS))
def test_database_maintenance(
    postgres: PostgresServer,
    sessions: Callable[..., Any],
    ground: Ground,
    children: Children,
    step: str,
    moment: str,
) -> None:
    """The statement that blocks is cancelled once; its session lives on, and is not ended either."""
    quick(ground)
    site = durable(ground)
    with Stubborn(postgres, sessions, savepoint=False) as blocked:
        before = told(postgres)
        number = site.alert("postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy")

        run_id = crash_and_go_on(site, children, number, step, moment)

        blocked.waiting.wait()
        assert blocked.waiting.done
        assert alive(postgres, blocked.root)
        assert told(postgres) == (before[0] + 1, before[1])
    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert len(site.effects(number)) == 1
    assert ("found done after an interruption" in site.text(number)) == (moment == "acted")


def test_database_maintenance_whose_every_task_is_killed(
    postgres: PostgresServer, sessions: Callable[..., Any], ground: Ground, children: Children
) -> None:
    """One process after the other; also those tasks that are not needed any more."""
    quick(ground)
    site = durable(ground)
    with Stubborn(postgres, sessions, savepoint=False) as blocked:
        before = told(postgres)
        number = site.alert("postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy")
        run_id = site.ask(number)
        for task in tasks("database-maintenance"):
            children.walk(ground, number, run_id, task, "behind")
        blocked.waiting.wait()
        assert told(postgres) == (before[0] + 1, before[1])
    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert len(site.effects(number)) == 1


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("cancel_blockers", "acted"),
        ("verify_cancel_blockers", "behind"),
        ("end_blockers", "claimed"),
        ("end_blockers", "acted"),
        ("end_blockers", "behind"),
    ],
)
def test_database_maintenance_in_its_second_attempt(
    postgres: PostgresServer,
    sessions: Callable[..., Any],
    ground: Ground,
    children: Children,
    step: str,
    moment: str,
) -> None:
    """Cancelled once, and as that is not enough, ended once."""
    quick(ground)
    site = durable(ground)
    with Stubborn(postgres, sessions) as blocked:
        before = told(postgres)
        number = site.alert("postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy")

        run_id = crash_and_go_on(site, children, number, step, moment)

        blocked.waiting.wait()
        assert blocked.waiting.done
        assert not alive(postgres, blocked.root)
        assert told(postgres) == (before[0] + 1, before[1] + 1)
    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert len(site.effects(number)) == 2


def test_nobody_can_tell_what_an_interrupted_restart_did(
    containers: Containers, ground: Ground, children: Children
) -> None:
    """The container was created anew meanwhile: it is left alone, and Infrastructure is paged."""
    site = durable(ground)
    containers.down("other")
    number = site.container("ContainerDown", "other")
    run_id = site.ask(number)
    children.walk(ground, number, run_id, "restart", "claimed")
    containers.engine.client.containers.get("other").remove(force=True)
    containers.down("other")
    containers.mark()

    children.walk(ground, number, run_id)

    state, status = end(site, number, run_id)
    assert (state, status) == (RemediationState.UNKNOWN, Status.TRIGGERED), site.text(number)
    assert containers.events() == []
    assert "nobody can tell whether it happened" in site.text(number)
    assert (site.incident(number).level, site.incident(number).pages > 0) == (3, True)


def told(postgres: PostgresServer) -> tuple[int, int]:
    """How many statements the server has cancelled, and how many sessions it has ended, by its own log."""
    log = (postgres.folder / "postgres.log").read_text(errors="replace")
    return (
        log.count("canceling statement due to user request"),
        log.count("terminating connection due to administrator command"),
    )


SERVICES_WITH_A_CEILING = """
version: 1
services:
  - {name: other, container: {automation: true, start_grace: 3 s, memory_ceiling: 64 MB}}
"""
