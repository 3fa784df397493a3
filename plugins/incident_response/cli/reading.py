"""What people type, read into what the services take; wrong input raises BadInput and changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.business_hours import Span
from incident_response.domain.errors import BadInput
from incident_response.domain.safe_text import visible

Commands = Any  # what `add_subparsers` gives: argparse names its class in private only
_NUMBER = re.compile(r"^(?:INC-)?([1-9]\d{0,17})$", re.I)


def number(text: str) -> int:
    """An incident: `INC-42` or `42`. Raises BadInput."""
    found = _NUMBER.match(text.strip())
    if not found:
        raise BadInput(f"{text!r} is no incident; write INC-42 or 42, as `list` shows them")
    return int(found.group(1))


def length(text: str) -> timedelta:
    """Elapsed time: `30 min`, `2h`, `1 day`. Raises BadInput."""
    try:
        span = Span.parse(text)
    except OverflowError:
        raise BadInput(f"{text!r} is longer than time can be counted; write for example 2 h") from None
    if span.business or span.business_days:
        raise BadInput(f"{text!r} is business time; write elapsed time, for example 8 h or 3 days")
    return span.elapsed


def pairs(texts: Iterable[str], what: str = "label") -> dict[str, str]:
    """`k=v` each; the value may hold further equals signs. Raises BadInput."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadInput(f"{what}: {text!r} is no k=v; nothing was changed")
        found[name] = value
    return found


def shown(moment: datetime) -> str:
    """A moment as the command line writes it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def labels(found: Iterable[tuple[str, str]]) -> str:
    """Labels in one line, sorted."""
    return visible(" ".join(f"{name}={value}" for name, value in sorted(found)))
