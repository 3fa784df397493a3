"""A worker that is frozen for longer than its lease, in the middle of a change, on a real engine.

It holds its target until the lease has run out; then nobody knows what it has done, and a person is paged.
When it wakes up it changes nothing.
"""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from incident_response import bootstrap
from incident_response.domain.automation import Lease
from incident_response.domain.runbooks import RemediationState
from tests.support.walking_runbook import Ground, Site, Walk

from .conftest import Children, Containers
from .test_crashing import durable
from .test_refusing import AGAIN, SERVICE, down, refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.acceptance,
]  # real waiting, and nothing in it knows Airflow

LEASE = 5.0  # seconds
MOMENTS = ("claimed", "asked")  # the change is written down; Docker is about to be asked


@pytest.fixture
def impatient(ground: Ground) -> Site:
    """No cooldown, and a restart has less time than the lease."""
    ground.edit(SERVICE, **AGAIN)
    path = ground.folder / "include" / SERVICE
    path.write_text(
        path.read_text().replace(
            "docker.restart_in_order, within: 5 min", "docker.restart_in_order, within: 4 s"
        )
    )
    return durable(ground)


@pytest.mark.parametrize("moment", MOMENTS)
def test_another_one_takes_over_and_the_frozen_one_changes_nothing(
    containers: Containers, impatient: Site, children: Children, moment: str
) -> None:
    """Busy; expired; unknown, and a person knows; then a person asks again and it is restarted once."""
    site = impatient
    first = down(containers, site)
    run_id = site.ask(first)
    second = site.container("ContainerOOMKilled", "other")
    assert second != first
    with children.frozen(site.ground, first, run_id, "restart", moment, LEASE):
        containers.mark()
        (lease,) = site.services.automation.leases()
        refused(site, second, "target busy: attempt 1 of INC-1 is working on service_outage:other", by="ann")
        until(lease)
        refused(
            site, second, "expired lease: attempt 1 of INC-1 gave no sign of life until", by="ann", pages=1
        )
        assert site.incident(first).pages == 0
        assert containers.events() == []

        assert site.services.clock.fire_due(bootstrap.now(), "clock@test")

        unknown(site, first, run_id, "no sign of life: what it has done is unknown")
        assert "the runbook did not end in time, its effect is unknown" in site.text(first)
        assert not site.services.automation.leases()
        end = Walk(site.services, second, site.ask(second, by="ann")).all()
        assert end.state is RemediationState.SUCCEEDED, site.text(second)
        assert containers.events("restart") == ["restart other"]
        containers.mark()
    assert containers.events() == []
    assert site.effects(first) == []
    unknown(site, first, run_id, "no sign of life: what it has done is unknown")


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_knows_by_itself_that_its_time_is_over(
    containers: Containers, impatient: Site, children: Children, moment: str
) -> None:
    """No clock has ticked meanwhile, and nobody else has come."""
    site = impatient
    number = down(containers, site)
    run_id = site.ask(number)
    with children.frozen(site.ground, number, run_id, "restart", moment, LEASE):
        containers.mark()
        (lease,) = site.services.automation.leases()
        until(lease)
    assert containers.events() == []
    assert site.effects(number) == []
    unknown(site, number, run_id, "step restart broke off, its effect is unknown: expired lease: ")
    assert "gave no sign of life until" in site.text(number)
    assert not site.services.automation.leases()


def until(lease: Lease) -> None:
    """It has run out."""
    time.sleep(max(0.0, (lease.expires_at - datetime.now(lease.expires_at.tzinfo)).total_seconds()) + 0.1)


def unknown(site: Site, number: int, run_id: str, reason: str) -> None:
    """And somebody was paged."""
    job = site.services.running.job(number, run_id)
    assert job is not None
    assert job.remediation.state is RemediationState.UNKNOWN
    assert job.remediation.reason.startswith(reason), job.remediation.reason
    assert (site.incident(number).level > 1, site.incident(number).pages > 0) == (True, True)
