"""Labels as people paste them: `name=value` lines, JSON, or as Prometheus shows them."""

from __future__ import annotations

import json
import re
from typing import Any

from incident_response.domain.errors import BadInput

_MOST, _LONGEST = 64, 2000  # labels, characters of a value
_BEGINS = re.compile(r'\{\s*[A-Za-z_]\w*\s*=\s*"')
_QUOTED = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)""")


def parse(text: str) -> dict[str, str]:
    """The labels in a text. Raises BadInput, which says what is wrong."""
    text = text.strip()
    found = (_json(text) or _quoted(text)) if text.startswith("{") else _lines(text)
    if not found:
        raise BadInput("labels: there are none; write one a line, for example service=keycloak")
    if len(found) > _MOST:
        raise BadInput(f"labels: {len(found)} are too many; {_MOST} are the most")
    for name, value in found.items():
        if len(value) > _LONGEST or len(name) > _LONGEST:
            raise BadInput(f"labels: {name[:40]} is longer than {_LONGEST} characters")
    return found


def _lines(text: str) -> dict[str, str]:
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.rstrip(",").partition("=")
        if not equals or not name.strip():
            raise BadInput(f"labels: {line[:80]!r} is no label; write name=value, one a line, or JSON")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        found[name.strip()] = value[1:-1] if quoted else value
    return found


def _json(text: str) -> dict[str, str] | None:
    """None: it is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        if _BEGINS.match(text):
            return None
        raise BadInput("labels: begins like JSON and is none; check quotes and commas") from None
    return {str(name): _text(str(name), value) for name, value in _labels(content).items()}


def _labels(content: Any) -> dict[str, Any]:
    """Of an object of labels, of an alert that has some, or of the first alert of a webhook's body."""
    alerts = content.get("alerts")
    if isinstance(alerts, list) and alerts and isinstance(alerts[0], dict):
        content = alerts[0]
    labels = content.get("labels", content)
    return labels if isinstance(labels, dict) else content


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadInput(f"labels: {name[:40]} is no text; every label is a name and a text")
    return str(value)


def _quoted(text: str) -> dict[str, str]:
    """`{alertname="Down", service="keycloak"}`."""
    inner = text.removeprefix("{").rstrip().removesuffix("}")
    found = {}
    while part := _QUOTED.match(inner):
        found[part.group(1)] = re.sub(r"\\(.)", r"\1", part.group(2))
        inner = inner[part.end() :]
    if inner.strip():
        raise BadInput(f"labels: cannot be read from {inner.strip()[:80]!r} on")
    return found
