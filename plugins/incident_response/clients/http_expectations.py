"""What an answer should say, and what it says instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from incident_response.domain.patterns import anywhere
from incident_response.domain.redaction import one_line
from incident_response.http_statuses import Range, contains, in_words

MOST_BYTES = 1024 * 1024
_SEARCHED = 64 * 1024  # a search cannot be interrupted, so what it searches is short
_NOTHING = object()


class Expected(Protocol):
    """What a healthy answer looks like."""

    @property
    def expect_status(self) -> tuple[Range, ...]:
        """The statuses it may have."""

    @property
    def body(self) -> str | None:
        """Regular expression that its text holds."""

    @property
    def json_values(self) -> Mapping[str, Any]:
        """Dotted path → value."""


def what_is_wrong(target: Expected, status: int, body: bytes) -> str:
    """The first expectation that an answer does not meet, empty when it meets all."""
    if not contains(target.expect_status, status):
        return f"answers {status} instead of {in_words(target.expect_status)}"
    if target.body and not anywhere(target.body).matches(body[:_SEARCHED].decode(errors="replace")):
        return f"answers {status}, but its text has no {one_line(target.body, 60)!r}"
    if not target.json_values:
        return ""
    if len(body) > MOST_BYTES:
        return f"answers {status} with more than {MOST_BYTES} bytes of JSON"
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return f"answers {status}, but not in JSON"
    for path, wanted in target.json_values.items():
        found = at_path(said, path)
        if found is _NOTHING:
            return f"answers {status}, but its JSON has no {path}"
        if not _equal(found, wanted):
            return f"says {path} is {_shown(path, found)} instead of {_shown(path, wanted)}"
    return ""


def at_path(said: Any, path: str) -> Any:
    """What stands at a dotted path: `checks.0.status`."""
    for step in path.split("."):
        if isinstance(said, dict) and step in said:
            said = said[step]
        elif isinstance(said, list) and step.isdecimal() and int(step) < len(said):
            said = said[int(step)]
        else:
            return _NOTHING
    return said


def _equal(found: Any, wanted: Any) -> bool:
    # In Python 1 equals true; in JSON they are different things.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _shown(path: str, value: Any) -> str:
    # Together with its name, so that the value of something named like a secret is masked.
    name = path.rsplit(".", 1)[-1]
    return one_line(f"{name}: {json.dumps(value, default=str)}", 100).removeprefix(f"{name}: ")
