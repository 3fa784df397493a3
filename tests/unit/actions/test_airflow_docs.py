"""docs/actions/airflow.md says what the models say."""

from __future__ import annotations

import re

import pytest
import yaml

from incident_response.parameters.airflow_steps import MODELS
from incident_response.parameters.base import Parameters
from tests.support import REPOSITORY

TEXT = (REPOSITORY / "docs" / "actions" / "airflow.md").read_text()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.action)
def test_each_action_has_its_parameters_and_an_example(model: type[Parameters]) -> None:
    [section] = re.findall(rf"^## {re.escape(model.action)}\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M)

    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section, re.M)
    written = {name: meaning for name, default, meaning in rows if name in model.model_fields}
    assert written == {name: field.description for name, field in model.model_fields.items()}
    [step] = yaml.safe_load("\n".join(re.findall(r"^    (- \{.*\})$", section, re.M)))
    assert step["action"] == model.action
    model.model_validate(step.get("with", {}))
