"""`automation …`, `replay`, `schema`."""

from __future__ import annotations

import json

import pytest

from incident_response import bootstrap
from incident_response.domain.automation import BREAKER, KILL_SWITCH, Switch

from .conftest import Fire, Run


def test_off_with_a_reason_and_on_again(run: Run) -> None:
    """The exit code of `status` says it to scripts."""
    assert run("automation", "status")[:2] == (
        0,
        "automation is on, the breaker is closed\n0 runbooks change something now\n",
    )
    assert run("automation", "off", "--reason", "the host moves", "--by", "ann")[0] == 0
    code, out, _ = run("automation", "status")
    assert code == 1
    assert "by ann: the host moves" in out
    run("automation", "on")
    assert run("automation", "status")[0] == 0


def test_off_without_a_reason_is_refused(run: Run) -> None:
    code, _, err = run("automation", "off", "--reason", " ")
    assert (code, "say why" in err) == (1, True)
    assert run("automation", "status")[0] == 0


def test_the_breaker_is_reset(run: Run, services: bootstrap.Services) -> None:
    services.automation.set(BREAKER, False, "too many", "system:guard", bootstrap.now())
    assert "breaker open since" in run("automation", "status")[1]
    run("automation", "reset-breaker")
    assert run("automation", "status")[0] == 0


def test_a_variable_of_airflow_is_named(run: Run, services: bootstrap.Services, monkeypatch) -> None:
    switch = Switch(KILL_SWITCH, False, "incident_automation = off", "an Airflow variable", bootstrap.now())
    monkeypatch.setattr(services.automation, "variable", lambda: switch)
    code, out, _ = run("automation", "status")
    assert (code, "off by an Airflow variable: incident_automation = off" in out) == (1, True)


def test_what_asks_nobody_cannot_be_approved(run: Run, fire: Fire) -> None:
    number = fire("ContainerDown", container="a")
    code, _, err = run("automation", "approve", f"INC-{number}", "1")
    assert (code, "has no remediation 1" in err) == (1, True)
    assert run("automation", "approve", "that one", "1")[0] == 1


def test_replay_shows_what_is_the_same_and_changes_nothing(
    run: Run, fire: Fire, services: bootstrap.Services
) -> None:
    number = fire("AirflowImportError", filename="a.py")
    with services.store.read() as tx:
        before = (tx.get(number), list(tx.timeline(number)), list(tx.parcels(number)))
    code, out, _ = run("replay", f"INC-{number}")
    assert code == 0
    assert "  severity  P3" in out
    assert "0 differences; nothing was changed" in out
    with services.store.read() as tx:
        assert (tx.get(number), list(tx.timeline(number)), list(tx.parcels(number))) == before


@pytest.mark.parametrize("key", ["INC-99", "that one"])
def test_replay_of_nothing(run: Run, key: str) -> None:
    assert run("replay", key)[0] == 1


def test_replay_after_a_rule_has_changed(run: Run, fire: Fire, include) -> None:
    """Then, and now."""
    number = fire("AirflowImportError", filename="a.py")
    file = include / "policy" / "classification.yaml"
    rule = file.read_text().split("- name: pipeline cannot be imported")
    file.write_text(rule[0] + "- name: pipeline cannot be imported" + rule[1].replace("P3", "P2", 1))
    out = run("replay", f"INC-{number}")[1]
    assert "* severity  then: P3" in out
    assert "now: P2" in out
    assert "1 difference; nothing was changed" in out


def test_the_schema_is_json(run: Run) -> None:
    """Of the same runbooks that are shipped as docs/runbook.schema.json."""
    assert "properties" in json.loads(run("schema")[1])
