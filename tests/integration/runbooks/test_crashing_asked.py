"""SIGKILL at every boundary of the runbooks that a person approves: nothing is done twice here, either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from tests.integration.actions.postgres_under_test import Background, alive, until_state
from tests.support.postgres import PostgresServer
from tests.support.walking_runbook import Ground, Site, task_names

from .conftest import Children, Containers
from .test_crashing import crash_and_go_on, durable, end, told
from .test_healing import Stubborn
from .test_refusing import short_of_memory

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]  # minutes, and nothing in it knows Airflow

PERFORMANCE = "runbooks/performance-troubleshooting.yaml"


MOMENTS = ("every task", "claimed", "acted")


@pytest.mark.parametrize("moment", MOMENTS)
def test_performance_troubleshooting(
    containers: Containers, ground: Ground, children: Children, moment: str
) -> None:
    """Approved once, its limit raised once; the rungs behind it are not needed."""
    site = durable(ground)
    number = short_of_memory(containers, site)
    containers.mark()

    run_id = crash(site, children, number, "more_memory", moment)

    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert containers.events() == ["update api"]
    assert containers.inspect("api")["HostConfig"]["Memory"] == 48 * 2**20
    once(site, number, moment)
    assert site.text(number).count("ann approved the plan") == 1


@pytest.mark.parametrize("moment", MOMENTS[1:])
def test_performance_troubleshooting_of_a_blocked_database(
    containers: Containers,
    postgres: PostgresServer,
    sessions: Callable[..., Any],
    ground: Ground,
    children: Children,
    moment: str,
) -> None:
    """Memory is no trouble any more: its second attempt cancels what blocks, once."""
    at_once(ground)
    site = durable(ground)
    containers.engine.serve("api", mem_limit="32m")
    with Stubborn(postgres, sessions, savepoint=False) as blocked:
        before = told(postgres)
        containers.mark()
        number = site.container("HighMemoryUsage", "api")

        run_id = crash(site, children, number, "cancel_blockers", moment)

        blocked.waiting.wait()
        assert blocked.waiting.done
        assert told(postgres) == (before[0] + 1, before[1])
    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert containers.events() == []
    once(site, number, moment)


@pytest.mark.parametrize("moment", MOMENTS[1:])
def test_performance_troubleshooting_of_a_long_statement(
    containers: Containers,
    postgres: PostgresServer,
    sessions: Callable[..., Any],
    ground: Ground,
    children: Children,
    moment: str,
) -> None:
    """Nobody waits for it: its third attempt cancels it, once."""
    at_once(ground)
    site = durable(ground)
    containers.engine.serve("api", mem_limit="32m")
    session = sessions("app", "web")
    with Background(session, "SELECT pg_sleep(60)"):
        until_state(postgres, session.get_backend_pid(), "active")
        before = told(postgres)
        number = site.container("HighMemoryUsage", "api")

        run_id = crash(site, children, number, "cancel_long", moment)

        assert told(postgres) == (before[0] + 1, before[1])
        assert alive(postgres, session.get_backend_pid())
    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    once(site, number, moment)


@pytest.mark.parametrize("moment", MOMENTS)
def test_security_incident(containers: Containers, ground: Ground, children: Children, moment: str) -> None:
    """Frozen once, its log kept before; the incident stays with Management."""
    site = durable(ground)
    containers.engine.serve("other")
    containers.mark()
    number = site.alert("falco", "SecurityBreach", "other", container="other")

    run_id = crash(site, children, number, "freeze", moment, by="ann", runbook="security-incident")

    assert end(site, number, run_id) == (RemediationState.CONTAINED, Status.TRIGGERED), site.text(number)
    assert containers.events() == ["pause other"]
    assert containers.inspect("other")["State"]["Paused"]
    once(site, number, moment)
    incident = site.incident(number)
    assert (incident.level, incident.pages > 0) == (4, True)
    with site.services.store.read() as tx:
        kept = [one.step for one in tx.exhibits(number)]
    assert sorted(set(kept)) == sorted(kept), kept


def crash(site: Site, children: Children, number: int, step: str, moment: str, **asked: str) -> str:
    """In the middle of that step; or a process for every task, each killed behind its own. The run's id."""
    if moment != "every task":
        return crash_and_go_on(site, children, number, step, moment, **asked)
    run_id = site.ask(number, **asked)
    job = site.services.running.job(number, run_id)
    assert job is not None
    for task in task_names(job.runbook):
        children.walk(site.ground, number, run_id, task, "behind")
    return run_id


def once(site: Site, number: int, moment: str) -> None:
    assert len(site.effects(number)) == 1
    assert ("found done after an interruption" in site.text(number)) == (moment == "acted")


def at_once(ground: Ground) -> None:
    """What has been blocked, or has run, for a second counts."""
    path = ground.folder / "include" / PERFORMANCE
    text = path.read_text()
    text = text.replace("action: postgres.locks, with: {", "action: postgres.locks, with: {older_than: 1 s, ")
    looks = "action: postgres.slow_queries, with: {"
    text = text.replace(looks, f"{looks}long_running: 1 s, slower_than: 1 s, ")
    text = text.replace("by: cancel}", "by: cancel, older_than: 1 s}").replace("10 min}", "1 s}", 1)
    path.write_text(text)
