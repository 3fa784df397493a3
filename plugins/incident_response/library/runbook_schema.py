"""The JSON Schema of runbook files, for editors: it knows what each action takes."""

from __future__ import annotations

from typing import Any

from incident_response.parameters.registry import MODELS

from .runbook_file import RunbookFile

_REFERENCE = {
    "type": "string",
    "pattern": r"^\$[a-z][a-z0-9_]*$",
    "description": "A parameter of the runbook.",
}


def schema() -> dict[str, Any]:
    """Draft 2020-12."""
    found = RunbookFile.model_json_schema(by_alias=True, mode="validation")
    step = found["$defs"]["StepEntry"]
    step["properties"]["action"]["enum"] = sorted(MODELS)
    for name in ("when", "unless", "services"):
        several = step["properties"][name]
        step["properties"][name] = {
            "description": several["description"],
            "anyOf": [several["items"], {"type": "array", "items": several["items"]}],
        }
    fields = found["properties"]["parameters"]
    entry = next(iter(fields.pop("patternProperties", {"": {"$ref": "#/$defs/ParameterEntry"}}).values()))
    fields["additionalProperties"] = {
        "anyOf": [entry, {"type": ["string", "number", "boolean", "array", "null"]}]
    }
    step["allOf"] = [
        {
            "if": {"properties": {"action": {"const": name}}, "required": ["action"]},
            "then": {"properties": {"with": _parameters(name, found["$defs"])}},
        }
        for name in sorted(MODELS)
    ]
    _readable(found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Runbook",
        **{key: value for key, value in found.items() if key != "title"},
    }


def _parameters(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """What one action takes; each value may be a parameter of the runbook instead."""
    model = MODELS[name].model_json_schema(mode="validation")
    for key, definition in model.pop("$defs", {}).items():
        shared.setdefault(key, definition)
    properties = {
        field: {"description": value.get("description", ""), "anyOf": [_plain(value), _REFERENCE]}
        for field, value in model.get("properties", {}).items()
    }
    described = {"type": "object", "description": model.get("description", ""), "properties": properties}
    return described | {"additionalProperties": False}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in ("description", "title", "default")}


def _readable(node: Any) -> None:
    """A length of time is written `5 min`; JSON Schema would ask for ISO 8601."""
    if isinstance(node, dict):
        if node.get("format") == "duration":
            del node["format"]
            node.pop("default", None)
            node.update(type=["string", "number"], examples=["30 s", "5 min", "2 h"])
        for value in list(node.values()):
            _readable(value)
    elif isinstance(node, list):
        for value in node:
            _readable(value)
