"""Webhooks: different things are different incidents, and the same thing told by others is one."""

from __future__ import annotations

from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.timeline import EventKind
from tests.web.conftest import House
from tests.web.hooking import Senders


@pytest.fixture
def senders(house: House) -> Senders:
    return Senders(house)


def alert(status: str = "firing", reason: str = "", **labels: str) -> dict[str, Any]:
    notes = {"summary": "is wrong", **({"grafana_state_reason": reason} if reason else {})}
    return {"status": status, "labels": labels, "annotations": notes, "startsAt": "2026-01-15T01:50:00Z"}


def body(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {"version": "4", "alerts": list(alerts)}


def no_data(rule: str, source: str, name: str = "DatasourceNoData") -> dict[str, Any]:
    return alert(
        alertname=name,
        rulename=rule,
        datasource_uid=source,
        grafana_folder="Prod",
        ref_id="A",
        severity="critical",
    )


@pytest.mark.parametrize("name", ["DatasourceNoData", "DatasourceError"])
def test_two_rules_of_grafana_without_data_are_two_incidents(senders: Senders, name: str) -> None:
    """The first one is acknowledged; the second one pages all the same."""
    house = senders.house
    senders.grafana({"alerts": [no_data("Orders per minute", "ds-pay", name)]})
    house.services.lifecycle.acknowledge(1, "operator", house.now)
    house.later(minutes=10)
    senders.grafana({"alerts": [no_data("Age of the last backup", "ds-bak", name)]})
    assert senders.open() == [1, 2] or senders.open() == [2, 1]
    assert house.get(2).page_at == house.now
    senders.grafana({"alerts": [no_data("Orders per minute", "ds-pay", name)]})
    assert len(senders.open()) == 2


TWO: list[tuple[str, dict[str, str], dict[str, str]]] = [
    (
        "two hosts of a job",
        {"job": "keycloak", "instance": "h1:80"},
        {"job": "keycloak", "instance": "h2:80"},
    ),
    ("two hosts of a service", {"service": "web", "instance": "h1"}, {"service": "web", "instance": "h2"}),
    ("two queues", {"service": "mq", "queue": "a"}, {"service": "mq", "queue": "b"}),
    ("two containers", {"service": "shop", "container": "a"}, {"service": "shop", "container": "b"}),
    ("two mountpoints", {"instance": "h1", "mountpoint": "/"}, {"instance": "h1", "mountpoint": "/data"}),
    ("two of what nobody knows", {"frobnicator": "a"}, {"frobnicator": "b"}),
    ("two pods of two things", {"pod": "web-7d9f8c6b5-x2x4z"}, {"pod": "api-7d9f8c6b5-x2x4z"}),
]
ONE: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("replicas of Prometheus", {"service": "web", "replica": "a"}, {"service": "web", "replica": "b"}),
    ("two Prometheus", {"service": "web", "prometheus": "m/a"}, {"service": "web", "prometheus": "m/b"}),
    ("pods that come and go", {"pod": "web-7d9f8c6b5-x2x4z"}, {"pod": "web-7d9f8c6b5-bbkqw"}),
    ("a pair", {"service": "db", "pod": "db-0"}, {"service": "db", "pod": "db-1"}),
    ("ports", {"service": "web", "instance": "h1:9100"}, {"service": "web", "instance": "h1:9187"}),
    ("worse", {"service": "web", "severity": "warning"}, {"service": "web", "severity": "critical"}),
    ("two names", {"service": "postgres"}, {"service": "lianel_energy"}),
]


def can_tell(name: str, labels: dict[str, str]) -> bool:
    """Two of these alerts are about hosts, and a processor has no mountpoint."""
    if name == "SomethingNew":
        return True
    return bool({"mountpoint", "instance"} & labels.keys()) and not (
        name == "HighCPUUsage" and "mountpoint" in labels
    )


APART = [
    (name, *case)
    for name in ("SomethingNew", "DiskSpaceLow", "HighCPUUsage")
    for case in TWO
    if can_tell(name, case[1])
]


@pytest.mark.parametrize(
    ("name", "about", "one", "other"), APART, ids=[f"{name}, {about}" for name, about, *_ in APART]
)
def test_two_things_are_two_incidents(
    senders: Senders, about: str, one: dict[str, str], other: dict[str, str], name: str
) -> None:
    """In one body and in two; each ends by itself."""
    both = [alert(alertname=name, **one), alert(alertname=name, **other)]
    senders.alerts(body(*both))
    assert len(senders.open()) == 2, about
    senders.alerts(body(both[1]))
    assert len(senders.open()) == 2
    senders.house.later(minutes=1)
    senders.alerts(body({**both[0], "status": "resolved", "endsAt": senders.house.now.isoformat()}))
    assert [senders.house.get(n).status for n in (1, 2)] == [Status.MITIGATED, Status.TRIGGERED]


@pytest.mark.parametrize("name", ["SomethingNew", "DiskSpaceLow", "HighCPUUsage", "ServiceUnhealthy"])
@pytest.mark.parametrize(("about", "one", "other"), ONE, ids=[case[0] for case in ONE])
def test_the_same_thing_is_one_incident(
    senders: Senders, about: str, one: dict[str, str], other: dict[str, str], name: str
) -> None:
    """Whoever tells of it, and however bad it is."""
    senders.alerts(body(alert(alertname=name, **one), alert(alertname=name, **other)))
    assert len(senders.open()) == 1, about


def test_two_long_names_are_two_incidents(senders: Senders) -> None:
    """Keys are never cut."""
    senders.alerts(body(*(alert(alertname="New", topic="x" * 400 + end) for end in "ab")))
    assert len(senders.open()) == 2


@pytest.mark.parametrize(
    "reason", ["MissingSeries", "NoData", "Error", "Paused", "Updated", "RuleDeleted", "X, KeepLast"]
)
def test_an_end_without_a_look_ends_nothing(senders: Senders, reason: str) -> None:
    """Grafana resolves what it sees no more; the incident says so once, and waits for a proof."""
    house, labels = senders.house, {"alertname": "Slow", "service": "web"}
    senders.grafana({"alerts": [alert(**labels), alert(**labels, replica="b")]})
    house.later(minutes=1)
    gone = {**alert("resolved", reason, **labels), "endsAt": house.now.isoformat()}
    for _ in range(2):
        assert senders.grafana({"alerts": [gone]}).json()["incidents"] == ["INC-1"]
    well = {**alert("resolved", **labels, replica="b"), "endsAt": house.now.isoformat()}
    senders.grafana({"alerts": [well]})
    assert house.get(1).status is Status.TRIGGERED
    with house.services.store.read() as tx:
        told = [e.text for e in tx.timeline(1) if e.kind is EventKind.SIGNAL]
    assert [reason in text for text in told] == [True]

    house.later(minutes=1)
    senders.grafana({"alerts": [{**alert("resolved", **labels), "endsAt": house.now.isoformat()}]})
    assert house.get(1).status is Status.MITIGATED


def test_an_end_without_a_look_opens_and_reopens_nothing(senders: Senders) -> None:
    """Of what is not open, and of what is resolved."""
    labels = {"alertname": "Slow", "service": "web"}
    assert (
        senders.grafana({"alerts": [alert("resolved", "MissingSeries", **labels)]}).json()["incidents"] == []
    )
    senders.grafana({"alerts": [alert(**labels)]})
    senders.house.services.lifecycle.resolve(1, "operator", senders.house.now)
    senders.grafana({"alerts": [alert("resolved", "MissingSeries", **labels)]})
    assert senders.open() == []


def test_what_an_older_version_opened_is_not_opened_again(senders: Senders) -> None:
    """Its key said less; its signals stay with it, and only what it does not know is new."""
    first = alert(alertname="DatasourceNoData", rulename="one")
    senders.grafana({"alerts": [first]})
    store = senders.house.services.store
    with store.transaction() as tx:  # as it was stored before keys told parts
        (incident,) = tx.lock([1]).values()
        from incident_response.domain.changes import Change

        tx.save([Change(incident.evolve(dedup_key="v1:other:unknown:DatasourceNoData"))])
    senders.house.later(minutes=5)
    senders.grafana({"alerts": [first]})
    assert senders.open() == [1]
    senders.grafana({"alerts": [alert(alertname="DatasourceNoData", rulename="two")]})
    assert sorted(senders.open()) == [1, 2]
