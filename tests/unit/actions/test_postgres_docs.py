"""docs/actions/postgres.md says what is; its examples are accepted, and bad parameters are not."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from incident_response.actions.postgres_steps import ACTIONS
from incident_response.domain.actions import Kind
from incident_response.domain.business_hours import Span
from incident_response.parameters.base import Parameters
from incident_response.parameters.postgres_steps import MODELS
from tests.support import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "actions" / "postgres.md"
_BLOCK = re.compile(r"<!-- fields: ([\w.]+) -->\n.*?<!-- /fields -->", re.S)
BY_NAME = {model.action: model for model in MODELS}


def table(model: type[Parameters]) -> str:
    """The parameters of an action, Markdown."""
    rows = [
        f"| `{name}` | {default(field.get_default(), required=field.is_required())} | {field.description} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| parameter | default | meaning |", "|---|---|---|", *rows])


def default(value: Any, *, required: bool) -> str:
    if required:
        return "required"
    if isinstance(value, timedelta):
        return f"`{Span(elapsed=value)}`"
    return f"`{json.dumps(value)}`".replace('`"', "`").replace('"`', "`")


def renewed(text: str) -> str:
    """The document with all tables as they are now."""
    return _BLOCK.sub(lambda m: f"<!-- fields: {m[1]} -->\n{table(BY_NAME[m[1]])}\n<!-- /fields -->", text)


def test_the_tables_are_those_of_the_models() -> None:
    """Each action once, with names, defaults and meanings."""
    text = DOCUMENT.read_text()
    assert _BLOCK.findall(text) == [
        *(name for name in BY_NAME if name != "postgres.responsive"),
        "postgres.responsive",
    ]
    assert renewed(text) == text, "write the file anew: DOCUMENT.write_text(renewed(DOCUMENT.read_text()))"


def test_each_action_has_an_example_that_is_accepted() -> None:
    """As a step would stand in a runbook."""
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.S)]
    steps = [step for block in shown for step in block]
    assert [step["action"] for step in steps] == list(BY_NAME)
    for step in steps:
        BY_NAME[step["action"]].model_validate(step.get("with", {}))


def test_every_model_has_its_action() -> None:
    """Named alike, with the methods of its kind, and documented."""
    assert [action.parameters for action in ACTIONS] == list(MODELS)
    for action in ACTIONS:
        model = action.parameters
        assert model.__doc__
        assert all(field.description for field in model.model_fields.values())
        assert action.name == model.action  # type: ignore[attr-defined]
        methods = ("plan", "apply", "happened", "undo") if model.kind is Kind.CHANGES else ("look",)
        assert all(hasattr(action, method) for method in methods)


@pytest.mark.parametrize(
    ("action", "fields", "message"),
    [
        ("postgres.cancel", {"which": "idle"}, "which"),
        ("postgres.cancel", {}, "which"),
        ("postgres.terminate", {"which": "everybody"}, "which"),
        ("postgres.terminate", {"which": "idle", "allowed_writers": ["etl"]}, "writers: true"),
        ("postgres.terminate", {"which": "idle", "older_than": "soon"}, "15 min"),
        ("postgres.terminate", {"which": "idle", "most": 0}, "most"),
        ("postgres.unblock", {"by": "force"}, "by"),
        ("postgres.reindex", {}, "name `tables` or `indexes`"),
        ("postgres.vacuum", {"full": True}, "full"),
        ("postgres.analyze", {"sql": "ANALYZE x"}, "sql"),
        ("postgres.status", {"conn_id": ""}, "conn_id"),
        ("postgres.responsive", {"percent": 0}, "percent"),
    ],
)
def test_bad_parameters_are_refused(action: str, fields: dict[str, Any], message: str) -> None:
    """With the field's name or the remedy."""
    with pytest.raises(ValidationError, match=message):
        BY_NAME[action].model_validate(fields)
