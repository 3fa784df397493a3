"""Actions and their parameters are loaded family by family."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from incident_response.actions.registry import ACTIONS
from incident_response.detectors import registry
from incident_response.detectors.airflow_edges import AirflowEdges
from incident_response.detectors.airflow_runs import AirflowRuns
from incident_response.families import NAMES
from incident_response.library.detectors_file import RESERVED
from incident_response.parameters.registry import MODELS

_LOADED = """
import json, sys
from incident_response.orchestration import runbook_dag
from incident_response.actions.registry import ACTIONS
ACTIONS["docker.restart"]
print(json.dumps(sorted(name for name in sys.modules if name.startswith("incident_response."))))
"""
PLUGINS = Path(__file__).parents[2] / "plugins"


def test_all_of_them_are_found_by_name() -> None:
    """Each family has some, and each action its parameters."""
    assert set(ACTIONS) == set(MODELS)
    assert len(MODELS) == len(list(MODELS)) > 40
    assert {name.partition(".")[0] for name in MODELS} == set(NAMES)


@pytest.mark.parametrize("name", ["docker.explode", "kubernetes.restart", "docker", ""])
def test_what_does_not_exist_is_not_found(name: str) -> None:
    """Whatever it looks like."""
    assert name not in MODELS
    with pytest.raises(KeyError):
        ACTIONS[name]


def test_the_detectors_that_are_always_there_have_their_names() -> None:
    """They are known before their modules are loaded."""
    assert registry.ALWAYS == (AirflowRuns.name, AirflowEdges.name) == RESERVED


def test_a_task_of_a_runbook_loads_no_detector_and_no_action_of_others() -> None:
    """It starts for each step: a tenth of a second each is a second for a repair."""
    run = [sys.executable, "-c", _LOADED]
    said = subprocess.run(run, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(PLUGINS)})
    loaded = [name.removeprefix("incident_response.") for name in json.loads(said.stdout.splitlines()[-1])]
    assert "actions.docker_restart" in loaded
    ours = [name for name in loaded if name.startswith(("detectors.", "sources.", "store.memory"))]
    assert ours == ["detectors.registry"]
    others = tuple(f"actions.{family}_" for family in NAMES if family != "docker")
    assert not [name for name in loaded if name.startswith(others)]
