"""Alert rules that say nothing: they have fired since we first looked, or can never fire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.records import Poll

_LONG = timedelta(hours=1)  # before that an alert may simply be an outage


@dataclass(frozen=True)
class RuleTrouble:
    """A rule of an outside system, and what is wrong with it."""

    detector: str
    alert: str
    text: str


def troubles(polls: Iterable[Poll], now: datetime) -> list[RuleTrouble]:
    """By detector and name, from what the detectors remember."""
    return [trouble for poll in polls for trouble in _of(poll, now)]


def _of(poll: Poll, now: datetime) -> Iterator[RuleTrouble]:
    memory = poll.cursor.get("memory")
    if not isinstance(memory, Mapping):
        return
    alerts, rules = (_own(memory, part) for part in ("alerts", "rules"))
    first = alerts.get("first_look_at")
    if first and now - (since := datetime.fromisoformat(first)) >= _LONG:
        for name in sorted(set(alerts.get("always", {}).values())):
            text = f"fires since we first looked, {since:%Y-%m-%d %H:%M} UTC, and never cleared"
            yield RuleTrouble(poll.name, name, text)
    for name, why in sorted(rules.get("mute", {}).items()):
        yield RuleTrouble(poll.name, name, f"cannot fire: {why}")


def _own(memory: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = memory.get(part)
    own = found.get("own") if isinstance(found, Mapping) else None
    return own if isinstance(own, Mapping) else {}
