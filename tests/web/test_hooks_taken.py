"""Webhooks: what is taken, and what becomes of it."""

from __future__ import annotations

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.severities import Scenario, Severity
from tests.web.conftest import House
from tests.web.hooking import ALERTMANAGER, PAGERDUTY, PATHS, SIGNAL, Senders, body


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


def test_alertmanager_opens_an_incident_and_ends_it(senders: Senders) -> None:
    """As the rule of its alert says; quiet is not yet resolved."""
    answer = senders.alerts(body("alertmanager_firing"))
    assert (answer.status_code, answer.json()) == (200, {"taken": 1, "incidents": ["INC-1"]})
    incident = senders.house.get(1)
    assert (incident.severity, incident.scenario) == (Severity.P1, Scenario.DATABASE)
    assert (incident.service, incident.runbook) == ("lianel_energy", "database-maintenance")

    senders.house.later(minutes=1)
    assert senders.alerts(body("alertmanager_resolved")).json()["incidents"] == ["INC-1"]
    assert senders.house.get(1).status is Status.MITIGATED


def test_the_same_alert_pushed_and_polled_is_one_incident(senders: Senders) -> None:
    """Whoever has Prometheus polled and Alertmanager pushing is paged once."""
    senders.alerts(body("alertmanager_firing"))
    senders.grafana({"alerts": body("alertmanager_firing")["alerts"]})
    assert senders.open() == [1]
    assert len({s.fingerprint for s in senders.sightings()}) == 1


def test_a_group_is_taken_as_one(senders: Senders) -> None:
    """Grafana tells of one that fires and one that ended; the ended one opens nothing."""
    assert senders.grafana(body("grafana")).json() == {"taken": 2, "incidents": ["INC-1"]}
    assert senders.open() == [1]
    assert senders.alerts({"version": "4", "alerts": []}).json() == {"taken": 0, "incidents": []}


def test_a_report_is_an_incident_of_its_own(senders: Senders) -> None:
    """Two tickets about two things are two; the same ticket sent again is counted."""
    report = {"title": "Invoices are missing", "severity": "high", "service": "billing"}
    report |= {"reporter": "desk", "description": "since noon"}
    assert senders.plain(**report, key="T-1").status_code == 200
    senders.plain(**report, key="T-2")
    senders.plain(**report, key="T-1")
    assert senders.open() == [1, 2]
    incident = senders.house.get(1)
    assert (incident.title, incident.severity, incident.service) == (
        "Invoices are missing", Severity.P2, "billing",
    )  # fmt: skip
    assert senders.sightings(1)[0].details == {"description": "since noon", "reported_by": "desk"}


def test_a_report_is_ended_by_its_key_alone(senders: Senders) -> None:
    """Whatever severity it was given meanwhile; another sender's key of the same name is another thing."""
    senders.plain(title="Slow", severity="low", key="T-1")
    senders.plain(title="Slow", severity="high", key="T-1")
    other = senders.house.services.integrations.add("other", SIGNAL, {}, "test", senders.house.now)[1]
    senders.house.later(seconds=30)
    senders.send(SIGNAL, {"key": "T-1", "status": "resolved"}, authorization=f"Bearer {other}")
    assert senders.house.get(1).status is Status.TRIGGERED
    assert senders.plain(key="T-1", status="resolved").json()["taken"] == 2
    assert senders.house.get(1).status is Status.MITIGATED
    assert senders.plain(key="T-9", status="resolved").json() == {"taken": 0, "incidents": []}


def test_without_a_key_the_words_are_the_identity(senders: Senders) -> None:
    """A sender that tries again after a timeout does not page twice, and the same words end it."""
    for _ in range(2):
        senders.plain(title="Slow", service="billing")
    assert senders.open() == [1]
    senders.house.later(minutes=1)
    senders.plain(title="Slow", service="billing", status="resolved")
    assert senders.house.get(1).status is Status.MITIGATED


def test_a_script_may_name_its_alert(senders: Senders) -> None:
    """Then the rules for that alert apply."""
    senders.plain(title="Disk full", labels={"alertname": "DiskSpaceLow", "instance": "a"}, service="db-1")
    assert senders.house.get(1).rule == "disk almost full"


def test_pagerduty_triggers_acknowledges_and_resolves(senders: Senders) -> None:
    """With the answers its clients know."""
    answer = senders.send(PAGERDUTY, body("pagerduty_trigger"))
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "billing/disk"}
    assert senders.house.get(1).rule == "disk almost full"

    assert senders.event("acknowledge", "billing/disk").status_code == 202
    incident = senders.house.get(1)
    assert (incident.status, incident.acknowledged_by) == (Status.ACKNOWLEDGED, "pagerduty:a-pagerduty")
    senders.event("acknowledge", "billing/disk")
    assert senders.house.texts(1).count("Acknowledged by pagerduty:a-pagerduty") == 1

    senders.house.later(minutes=1)
    assert senders.event("resolve", "billing/disk").status_code == 202
    assert senders.house.get(1).status is Status.MITIGATED
    assert senders.event("acknowledge", "billing/disk").status_code == 202
    assert senders.house.get(1).status is Status.MITIGATED


def test_pagerduty_makes_a_key_where_none_is_sent(senders: Senders) -> None:
    """And answers it, so that the sender can end what it began; each key is an incident of its own."""
    payload = {"summary": "Backup failed", "source": "billing-1", "severity": "critical"}
    one, two = (senders.event("trigger", payload=payload).json()["dedup_key"] for _ in range(2))
    assert one != two
    assert senders.open() == [1, 2]
    assert senders.house.get(1).severity is Severity.P1
    senders.house.later(minutes=1)
    senders.event("resolve", two)
    assert [senders.house.get(n).status for n in (1, 2)] == [Status.TRIGGERED, Status.MITIGATED]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_an_event_for_nothing_open_changes_nothing(senders: Senders, action: str) -> None:
    """It is 202 all the same, as its senders expect."""
    answer = senders.event(action, "unknown")
    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "unknown")
    assert senders.open() == []


def test_alertmanagers_pagerduty_receiver_works(senders: Senders) -> None:
    """A real trigger and a real resolve."""
    senders.send(PAGERDUTY, body("pagerduty_trigger_of_alertmanager"))
    assert senders.house.get(1).rule == "database down"
    senders.house.later(minutes=1)
    senders.send(PAGERDUTY, body("pagerduty_resolve_of_alertmanager"))
    assert senders.house.get(1).status is Status.MITIGATED


def test_labels_of_the_integration_are_added(house: House) -> None:
    """Where a signal lacks them."""
    _, token = house.services.integrations.add("north", ALERTMANAGER, {"site": "north"}, "test", house.now)
    headers = {"authorization": f"Bearer {token}"}
    house.client(None).post(PATHS[ALERTMANAGER], json=body("alertmanager_firing"), headers=headers)
    assert house.get(1).labels["site"] == "north"
