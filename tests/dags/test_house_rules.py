"""House rules: every DAG imports alone, tells what it is, and shows its steps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incident_response.orchestration.compat import STARTS_IN_TRIGGERER
from tests.support import REPOSITORY

DAGS = REPOSITORY / "dags"
PROGRAM = Path(__file__).with_name("parse_dags.py")
RUNBOOK = "runbook_dag-failure-recovery"


def parse(home: Path, include: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Facts by DAG, and what was logged. In a process of its own: it forbids databases and the network."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))
    }
    env = {
        **clean,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__INCIDENT_RESPONSE__INCLUDE_FOLDER": str(include),
        "PYTHONPATH": str(REPOSITORY / "plugins"),
    }
    done = subprocess.run(
        [sys.executable, PROGRAM, DAGS], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FACTS "))
    return json.loads(line.removeprefix("FACTS ")), done.stdout + done.stderr


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return parse(tmp_path_factory.mktemp("home"), REPOSITORY / "include")[0]


def test_every_dag_imports_without_database_and_network(dags: dict[str, dict[str, Any]]) -> None:
    """Also `incident_response.py`, which has the package's name and must not hide it."""
    wanted = {
        "incident_clock",
        "incident_detection",
        "incident_escalation",
        "incident_report",
        "incident_response",
    }

    assert wanted | {RUNBOOK} <= dags.keys()
    assert {path.name for path in DAGS.glob("*.py")} == {facts["file"] for facts in dags.values()}


def test_every_dag_has_the_tag_an_owner_and_a_text(dags: dict[str, dict[str, Any]]) -> None:
    """What a person sees who meets it in Airflow's list."""
    for dag_id, facts in dags.items():
        assert "incident-response" in facts["tags"], dag_id
        assert facts["owners"] == ["incident-response"], dag_id
        assert len(facts["doc"]) > 100, dag_id


def test_the_dags_that_page_are_not_paused_when_they_appear(dags: dict[str, dict[str, Any]]) -> None:
    """The platform pauses new DAGs; a clock that waits for somebody to unpause it pages nobody."""
    for dag_id in ("incident_clock", "incident_escalation", "incident_response", RUNBOOK):
        assert dags[dag_id]["paused"] is False, dag_id


@pytest.mark.parametrize("file", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_is_wiring_only(file: Path) -> None:
    """At most 80 lines."""
    assert len(file.read_text().splitlines()) <= 80


def test_the_clock_is_a_watcher_and_no_task(dags: dict[str, dict[str, Any]]) -> None:
    """It needs no slot; its only task is housekeeping."""
    assert dags["incident_clock"]["watchers"] == ["ClockTrigger"]
    assert list(dags["incident_clock"]["tasks"]) == ["housekeeping"]


def test_the_graph_of_a_runbook_shows_its_steps(dags: dict[str, dict[str, Any]]) -> None:
    """In the order of its file, and a last one that runs whatever happened."""
    assert dags[RUNBOOK]["tasks"] == {
        "ended": ["diagnose"],
        "diagnose": ["resources"],
        "resources": ["backoff"],
        "backoff": ["plan"],
        "plan": ["approve"],
        "approve": ["guard"],
        "guard": ["end_stuck"],
        "end_stuck": ["clear"],
        "clear": ["verify_clear"],
        "verify_clear": ["conclude"],
        "conclude": [],
    }


def test_no_dag_with_a_form_starts_a_sensor_in_the_triggerer(dags: dict[str, dict[str, Any]]) -> None:
    """On 3.3.2 a form value that does not fit would kill the whole triggerer, again after each restart."""
    risky = [dag_id for dag_id, facts in dags.items() if facts["params"] and facts["starts_in_triggerer"]]

    assert risky == []
    assert bool(dags["incident_escalation"]["starts_in_triggerer"]) == STARTS_IN_TRIGGERER


def test_a_broken_runbook_disables_only_itself(tmp_path: Path) -> None:
    """Its DAG is absent, the others are there, and the log names file, line and field."""
    include = tmp_path / "include"
    shutil.copytree(REPOSITORY / "include", include)
    good = include / "runbooks" / "dag-failure-recovery.yaml"
    broken = include / "runbooks" / "broken.yaml"
    broken.write_text(
        good.read_text().replace("dag-failure-recovery", "broken").replace("airflow.resources", "x")
    )

    dags, log = parse(tmp_path / "home", include)

    assert RUNBOOK in dags
    assert "runbook_broken" not in dags
    assert "broken.yaml:" in log
    assert "'x' is no action" in log


def test_without_include_the_other_dags_are_still_there(tmp_path: Path) -> None:
    """Somebody forgot to copy it: people are paged by hand and by code, no runbook runs."""
    dags, log = parse(tmp_path / "home", tmp_path / "nowhere")

    assert "incident_clock" in dags
    assert not [dag_id for dag_id in dags if dag_id.startswith("runbook_")]
    assert "the folder include/ was not found" in log
