"""When a shipped runbook must not act it touches nothing, says why, and a person is paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.domain.automation import KILL_SWITCH
from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.safe_text import for_markdown
from tests.integration.actions.postgres_under_test import (
    Background,
    alive,
    pids,
    sql,
    transaction,
    until_blocked,
)
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for
from tests.support.walking_runbook import Ground, Site

from .conftest import Containers
from .test_healing import INSERT, quick

pytestmark = pytest.mark.integration

SERVICE, DATABASE = "runbooks/service-restart.yaml", "runbooks/database-maintenance.yaml"
QUALITY = "runbooks/data-quality-issues.yaml"
AGAIN = {"cooldown": "0 s"}


@contextmanager
def untouched(containers: Containers, *names: str) -> Iterator[None]:
    """The engine has no word of anything that was done."""
    before = {name: containers.inspect(name)["State"]["StartedAt"] for name in names}
    containers.mark()
    yield
    assert containers.events() == []
    assert {name: containers.inspect(name)["State"]["StartedAt"] for name in names} == before


def refused(site: Site, number: int, reason: str, by: str = "system:triage", pages: int = 0) -> None:
    """In these words; somebody was paged because of it, or had been before."""
    assert site.incident(number).pages == pages
    end = site.walk(number, by)
    assert end.state is RemediationState.REFUSED, end
    assert reason in end.reason
    assert f"refused: {end.reason}" in site.text(number)
    assert site.incident(number).pages == max(pages, 1)
    assert site.effects(number) == [] or pages
    assert for_markdown(end.reason) in site.services.review.report(number)


def down(containers: Containers, site: Site, name: str = "other") -> int:
    containers.down(name)
    return site.container("ContainerDown", name)


@pytest.mark.parametrize("name", ["foreign", "unheard_of"])
def test_a_container_that_is_not_on_the_allow_list(containers: Containers, site: Site, name: str) -> None:
    number = down(containers, site, name)
    with untouched(containers, name):
        refused(site, number, {"foreign": "automation", "unheard_of": "is not known"}[name])


def test_a_maintenance_window(containers: Containers, site: Site) -> None:
    number = down(containers, site)
    now = bootstrap.now()
    site.services.intake.muting.add(["service=other"], "we move it", "ann", timedelta(hours=1), now)
    with untouched(containers, "other"):
        refused(site, number, "maintenance window: other is under")


def test_the_kill_switch(containers: Containers, site: Site) -> None:
    number = down(containers, site)
    site.services.automation.set(KILL_SWITCH, False, "we test the failover", "ann", bootstrap.now())
    with untouched(containers, "other"):
        refused(site, number, "kill switch: ann has switched automation off: we test the failover")


def test_blast_radius(containers: Containers, site: Site) -> None:
    """A service and all that it needs: one more than may be restarted at once."""
    names = ("c1", "c2", "c3", "c4")
    for name in names:
        containers.down(name)
    number = site.container("ContainerDown", "c4")
    with untouched(containers, *names):
        refused(site, number, "blast radius: 4 things would be touched, 3 are allowed at once")


def test_flapping_and_the_cooldown(containers: Containers, site: Site) -> None:
    """It is down again a moment after it was mended: not again by itself, and not at once for a person."""
    containers.engine.serve("db")
    number = recurred(containers, site, down(containers, site, "other"))
    assert site.incident(number).flapping
    pages = site.incident(number).pages
    with untouched(containers, "other"):
        refused_again(site, number, "flapping: ", "system:triage", pages)
        refused_again(site, number, "cooldown: ", "ann", pages)


def test_a_recurrence_counts_as_an_attempt(containers: Containers, ground: Ground) -> None:
    """The second one is the last within the hour, whoever asks and whatever is proven."""
    ground.edit(SERVICE, **AGAIN)
    site = Site(ground)
    number = recurred(containers, site, down(containers, site, "other"))
    end = site.walk(number, "ann")
    assert end.state is RemediationState.SUCCEEDED
    assert "attempt 2 of 2" in site.text(number)
    fail_again(containers, site, number)
    with untouched(containers, "other"):
        refused_again(
            site, number, "attempts: service-restart ran 2 times", "ann", site.incident(number).pages
        )


def test_the_breaker(containers: Containers, ground: Ground) -> None:
    """One that acts by itself is enough in this hour; the next is about something else."""
    ground.edit("policy/automation.yaml", per_hour="1")
    site = Site(ground)
    assert site.walk(down(containers, site, "other")).state is RemediationState.SUCCEEDED
    number = down(containers, site, "c1")
    with untouched(containers, "c1"):
        refused(site, number, "breaker: 1 runbooks acted by themselves within an hour, 1 may")
    assert [switch.name for switch in site.services.automation.off()] == ["breaker"]


@pytest.mark.parametrize("approval", [None, False])
def test_an_approval_that_is_missing(containers: Containers, site: Site, approval: bool | None) -> None:
    """Nobody answers, or somebody says no: the service keeps its memory limit."""
    number = short_of_memory(containers, site)
    with untouched(containers, "api"):
        end = site.walk(number, approval=approval)
    assert end.state is RemediationState.REFUSED
    said = "nobody approved it" if approval is None else "ann declined the plan"
    assert end.reason.startswith(f"approval: {said}")
    assert "Raise the memory limit of the container api from 32 MB to 48 MB" in site.text(number)
    assert end.reason in site.text(number)
    assert site.incident(number).pages == 1
    assert containers.inspect("api")["HostConfig"]["Memory"] == 32 * 2**20


def test_an_approval_lets_it_act(containers: Containers, site: Site) -> None:
    """Exactly what was shown; it is proven by the source that saw the trouble."""
    number = short_of_memory(containers, site)
    end = site.walk(number, approval=True)
    assert end.state is RemediationState.SUCCEEDED, site.text(number)
    assert "approved by ann" in site.text(number)
    assert containers.inspect("api")["HostConfig"]["Memory"] == 48 * 2**20


@pytest.mark.parametrize("missing", ["incident_response_docker", "incident_response_docker_write"])
def test_a_missing_connection(containers: Containers, ground: Ground, missing: str) -> None:
    """Never set up, or for reading only: no failure, a person is paged, nobody above."""
    site = Site(Ground(ground.folder, {k: v for k, v in ground.connections.items() if k != missing}))
    number = down(containers, site)
    with untouched(containers, "other"):
        refused(site, number, "not configured: ")
    assert missing in site.text(number)
    assert site.incident(number).level == 1


@pytest.mark.parametrize("runbook", [SERVICE, DATABASE])
def test_a_dry_run_shows_its_plan_and_touches_nothing(
    containers: Containers,
    postgres: PostgresServer,
    sessions: Callable[..., Any],
    ground: Ground,
    runbook: str,
) -> None:
    """Neither a container nor a session."""
    quick(ground)
    ground.edit(runbook, mode="dry_run")
    site = Site(ground)
    holder, writer = sessions("app", "web"), sessions("etl", "load")
    root = transaction(holder, "LOCK fact_energy_annual IN SHARE MODE")
    containers.down("other")
    with Background(writer, INSERT), untouched(containers, "other"):
        until_blocked(postgres, writer.get_backend_pid())
        until_older(postgres)
        before = pids(postgres)
        if runbook == SERVICE:
            number, plan = (
                site.container("ContainerDown", "other"),
                "Plan: restart: Restart the container other",
            )
        else:
            number = blocked(site)
            plan = f"end_blockers: End the session of pid {root}"
        refused(site, number, "dry run: ")
        assert plan in site.text(number)
        assert pids(postgres) == before
        assert alive(postgres, root)


def test_a_database_that_is_not_configured(
    postgres: PostgresServer, sessions: Callable[..., Any], ground: Ground
) -> None:
    """No session is ended."""
    site = Site(Ground(ground.folder, {}))
    transaction(sessions("app", "web"), "LOCK fact_energy_annual IN SHARE MODE")
    before = pids(postgres)
    number = blocked(site)
    refused(site, number, "not configured: ")
    assert "lianel_energy_db" in site.text(number)
    assert pids(postgres) == before


@pytest.mark.parametrize("unbound", ["a value", "a statement"])
def test_a_sql_that_is_not_bound(
    postgres: PostgresServer, ground: Ground, monkeypatch: pytest.MonkeyPatch, unbound: str
) -> None:
    """Such a file is no runbook: it is not even asked for, and the line that is wrong is in the timeline."""
    from incident_response.orchestration import response  # Airflow takes its time

    path = ground.folder / "include" / QUALITY
    text = path.read_text()
    bad = {
        "a value": text.replace("< :until", "< :until AND country = :country"),
        "a statement": text.replace("< :until", "< :until; DROP TABLE fact_energy_annual"),
    }[unbound]
    assert bad != text
    path.write_text(bad)
    site = Site(ground)
    monkeypatch.setattr(bootstrap, "services", lambda: site.services)
    table = "fact_electricity_timeseries"
    number = site.alert("data_quality", "MissingDataInCriticalTable", table, table=table)
    assert site.incident(number).runbook == "data-quality-issues"
    before = pids(postgres)

    said = response.triage(run_id=f"INC-{number}", dag_run=SimpleNamespace(conf={"incident": number}))

    assert {"a value": "the SQL names :country", "a statement": "must be one statement"}[unbound] in said
    assert "data-quality-issues.yaml:" in said
    assert said in site.text(number)
    assert site.incident(number).pages == 1
    with site.services.store.read() as tx:
        assert tx.remediations(number) == []
    assert pids(postgres) == before
    assert sql(postgres, "SELECT count(*) FROM fact_energy_annual") is not None


def test_a_blocker_that_has_written(
    postgres: PostgresServer, sessions: Callable[..., Any], ground: Ground
) -> None:
    """Its work would be lost: a person decides."""
    quick(ground)
    site = Site(ground)
    holder, writer = sessions("app", "web"), sessions("etl", "load")
    root = transaction(holder, f"{INSERT}; LOCK fact_energy_annual IN SHARE MODE")
    with Background(writer, INSERT):
        until_blocked(postgres, writer.get_backend_pid())
        until_older(postgres)
        before = pids(postgres)
        number = blocked(site)
        end = site.walk(number)
        assert pids(postgres) == before
        assert alive(postgres, root)
    assert end.state is RemediationState.REFUSED, site.text(number)
    assert "its transaction has written" in end.reason
    assert site.incident(number).pages == 1


def test_a_repair_without_effect_escalates(containers: Containers, site: Site) -> None:
    """It is restarted and exits at once, again: Infrastructure is paged, and it is not tried again."""
    script = "test -e /tmp/once && exit 1; touch /tmp/once; exec sleep 600"
    containers.engine.run("other", script).exec_run("true")
    containers.engine.client.containers.get("other").kill()
    containers.engine.wait_state("other", "exited")
    containers.mark()
    number = site.container("ContainerDown", "other")

    end = site.walk(number)

    assert end.state is RemediationState.FAILED, site.text(number)
    assert "other exited with code 1" in end.reason
    incident = site.incident(number)
    assert (incident.level, incident.status.is_open, incident.status) == (3, True, Status.TRIGGERED)
    assert incident.pages > 0
    assert containers.events("restart") == ["restart other"]


def blocked(site: Site) -> int:
    return site.alert("postgres", "DatabaseLockBlocked", "lianel_energy", database="lianel_energy")


def until_older(postgres: PostgresServer) -> None:
    """The wait for a lock is long enough to count."""
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND waitstart < clock_timestamp() - interval '1.1 s'"
    wait_for(lambda: sql(postgres, waits), "a long wait for a lock")


def short_of_memory(containers: Containers, site: Site) -> int:
    containers.engine.serve("api", mem_limit="32m").exec_run("dd if=/dev/zero of=/dev/shm/x bs=1M count=29")
    return site.container("HighMemoryUsage", "api")


def recurred(containers: Containers, site: Site, number: int) -> int:
    """Mended, and down again."""
    assert site.walk(number).state is RemediationState.SUCCEEDED
    assert site.incident(number).status is Status.MITIGATED
    fail_again(containers, site, number)
    return number


def fail_again(containers: Containers, site: Site, number: int) -> None:
    containers.engine.client.containers.get("other").kill()
    containers.engine.wait_state("other", "exited")
    assert site.container("ContainerDown", "other") == number


def refused_again(site: Site, number: int, reason: str, by: str, pages: int) -> None:
    """Somebody has been paged for the recurrence."""
    end = site.walk(number, by)
    assert (end.state, end.reason[: len(reason)]) == (RemediationState.REFUSED, reason)
    assert f"refused: {end.reason}" in site.text(number)
    assert site.incident(number).pages >= max(pages, 1)
