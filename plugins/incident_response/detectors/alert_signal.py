"""An alert of Prometheus or Alertmanager as a Signal with exactly its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from incident_response.domain.redaction import one_line, redact
from incident_response.domain.signals import Signal

_FIELD = re.compile(r"\{(\w+)\}")
_MOST_ANNOTATIONS = 20
_TEXT_LIMIT = 2000
_TITLES = ("summary", "title", "message", "description")
_NOT_IDENTIFYING = ("alertname", "severity", "component")


def alert_signal(
    source: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    at: datetime | None,
    now: datetime,
    **evidence: Any,
) -> Signal:
    """`at`: when it began, if the source knows. `evidence` that is not empty goes into the details."""
    title = next((annotations[name] for name in _TITLES if annotations.get(name, "").strip()), "")
    details = {name: value for name, value in evidence.items() if value not in ("", None, [])}
    if annotations:
        details["annotations"] = {
            name: redact(text[:_TEXT_LIMIT]) for name, text in sorted(annotations.items())[:_MOST_ANNOTATIONS]
        }
    return Signal(
        source,
        labels,
        one_line(title) or describe(labels),
        min(at, now) if at else now,  # the clock over there may be ahead
        details=details,
    )


def describe(labels: Mapping[str, str]) -> str:
    """The name and the labels that tell one alert of that name from another: `HighLag (queue=mail)`."""
    telling = [f"{name}={text}" for name, text in sorted(labels.items()) if name not in _NOT_IDENTIFYING]
    name = labels.get("alertname", "unnamed")
    return one_line(f"{name} ({', '.join(telling)})" if telling else name)


def fill(template: str, values: Mapping[str, str]) -> str:
    """`{queue} is full` with the values put in; one that is missing reads as `unknown`."""
    return _FIELD.sub(lambda found: values.get(found.group(1)) or "unknown", template)
