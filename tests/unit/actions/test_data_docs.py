"""docs/actions/data.md and check.md name every action and parameter, and their examples are accepted."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from incident_response.parameters.registry import MODELS
from tests.support import REPOSITORY

TEXTS = {
    family: (REPOSITORY / "docs" / "actions" / f"{family}.md").read_text() for family in ("data", "check")
}
NAMES = [name for name in MODELS if name.split(".")[0] in TEXTS]


def section(name: str) -> str:
    return TEXTS[name.split(".")[0]].split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_its_table(name: str) -> None:
    """By the name that people write."""
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", section(name), re.M))
    for field, info in MODELS[name].model_fields.items():
        assert f"`{info.alias or field}`" in rows, field


def steps(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, dict):
        return [step for part in found.values() for step in steps(part)]
    return list(found)


@pytest.mark.parametrize("family", TEXTS)
def test_examples_are_accepted(family: str) -> None:
    """Each block is a list of steps, or phases with steps."""
    shown = set()
    for block in re.findall(r"^```yaml\n(.*?)^```", TEXTS[family], re.M | re.S):
        for step in steps(yaml.safe_load(block)):
            MODELS[step["action"]].model_validate(step["with"])
            shown.add(step["action"])
    assert shown >= {name for name in NAMES if name.startswith(f"{family}.")}
