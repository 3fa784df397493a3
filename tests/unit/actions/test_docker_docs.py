"""docs/actions/docker.md says what is: every action, every parameter, and steps and files that are valid."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from incident_response.library.services_file import ServicesFile, grouping
from incident_response.library.yaml_file import read
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import MODELS
from tests.support import REPOSITORY

TEXT = (REPOSITORY / "docs" / "actions" / "docker.md").read_text()
STEPS = [yaml.safe_load(line)[0] for line in re.findall(r"^    (- \{name: .*\})$", TEXT, re.M)]
SECTIONS = re.split(r"^### ", TEXT, flags=re.M)[1:]


def section(action: str) -> str:
    return next(text for text in SECTIONS if f"`{action}`" in text.splitlines()[0])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.action)
def test_every_parameter_is_told_with_its_default(model: type[Parameters]) -> None:
    """And none that there is not, where an action has a table of its own."""
    text = section(model.action)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.M))
    inline = dict(re.findall(r"`docker\.\w+` has `(\w+)` \((.*?)\)", text))
    for name, field in model.model_fields.items():
        told = (rows | inline)[name]
        if isinstance(field.default, timedelta):
            assert told == f"{field.default.total_seconds():.0f} s"
        elif field.default:
            assert told.strip("`") == str(field.default)
        assert field.description, name
    assert set(rows) <= set(model.model_fields)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["action"])
def test_every_step_that_is_shown_is_valid(step: dict[str, Any]) -> None:
    """As a newcomer would paste it."""
    models = {model.action: model for model in MODELS}
    model = models[step["action"]].model_validate(step.get("with", {}))
    assert model.connections in (("incident_response_docker",), ("incident_response_docker_write",))


def test_the_file_that_is_shown_is_valid(tmp_path: Path) -> None:
    """With the defaults that it tells."""
    [block] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S)
    (tmp_path / "services.yaml").write_text(block)
    container = grouping(read(tmp_path / "services.yaml", ServicesFile)).services.container("nginx-proxy")
    assert container is not None
    assert (container.automation, container.precheck) == (True, ("nginx", "-t"))
