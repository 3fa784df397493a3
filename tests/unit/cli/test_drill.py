"""`python -m incident_response drill`."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_response import bootstrap

from .conftest import Run


def test_an_exercise_is_opened(run: Run, services: bootstrap.Services) -> None:
    """Marked in its title and by its label; the severity is the one asked for."""
    code, out, _ = run("drill", "--service", "keycloak", "--severity", "P2", "--by", "ann")
    assert code == 0
    assert "INC-1 opened: P2 EXERCISE: keycloak is said to be down (ann practises)" in out
    with services.store.read() as tx:
        assert tx.get(1).labels["exercise"] == "true"


def test_a_second_one_is_another_incident(run: Run) -> None:
    """It would count as flapping otherwise, and its runbook would not run."""
    assert "INC-1 opened" in run("drill")[1]
    assert "INC-2 opened" in run("drill")[1]


@pytest.mark.parametrize("severity", ["P5", "high"])
def test_a_severity_that_there_is_not_is_refused(run: Run, severity: str) -> None:
    with pytest.raises(SystemExit):
        run("drill", "--severity", severity)


def test_without_a_service_nothing_is_opened(run: Run) -> None:
    code, _, err = run("drill", "--service", " ")
    assert (code, "nothing was opened" in err) == (1, True)


def test_without_its_rule_nothing_is_opened(run: Run, include: Path) -> None:
    """It would look like real trouble."""
    file = include / "policy" / "classification.yaml"
    file.write_text(file.read_text().replace("alertname: Drill", "alertname: Else"))
    code, _, err = run("drill")
    assert code == 1
    assert "has no rule for exercises" in err
    assert "0 open" in run("list")[1]
