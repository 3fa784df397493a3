"""The detectors page: how each look went, the ones that need somebody first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from incident_response.domain.records import NOT_CONFIGURED, Poll

_MISSING = re.compile(r"connection '([^']+)' is not defined")


@dataclass(frozen=True)
class Watcher:
    """One detector. `needs` is 0 when it fails, 1 when it waits for somebody to set it up, else 2."""

    poll: Poll
    state: str
    error: str  # what went wrong, or what is missing
    needs: int
    looks_now: bool


def watchers(polls: Iterable[Poll], now: datetime) -> list[Watcher]:
    """Those that fail first, then those that wait for a connection."""
    return sorted((_watcher(poll, now) for poll in polls), key=lambda one: (one.needs, one.poll.name))


def _watcher(poll: Poll, now: datetime) -> Watcher:
    looks = bool(poll.claimed_by) and poll.claimed_until is not None and poll.claimed_until > now
    if poll.error.startswith(NOT_CONFIGURED):
        error = poll.error.removeprefix(NOT_CONFIGURED)
        missing = _MISSING.search(error)
        state = f"waits for connection {missing.group(1)}" if missing else "waits to be set up"
        return Watcher(poll, state, error, 1, looks)
    if poll.error or poll.failures:
        times = f", {poll.failures} times in a row" if poll.failures > 1 else ""
        return Watcher(poll, f"fails{times}", poll.error, 0, looks)
    return Watcher(poll, "fine" if poll.last_ok_at else "has not looked yet", "", 2, looks)
