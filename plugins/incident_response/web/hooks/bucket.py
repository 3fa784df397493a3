"""A token bucket for each integration: one sender that has gone mad does not fill the process.

In memory, by process, lost on a restart, and that is fine: it protects this process and nothing else. No rule
about who is paged how often hangs on it; the store counts repeats and makes one incident of them.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

_SECOND = timedelta(seconds=1)


class Buckets:
    """`rate` requests a second in the long run, `burst` at once. Used from one event loop only."""

    def __init__(self, rate: float = 50.0, burst: float = 200.0) -> None:
        self._rate, self._burst = rate, burst
        self._levels: dict[str, tuple[float, datetime]] = {}  # only of integrations that were recognised

    def wait(self, id: str, now: datetime) -> int:
        """Take one request; 0 when it may pass, else the seconds after which the next one may."""
        level, at = self._levels.get(id, (self._burst, now))
        level = min(self._burst, level + max(0.0, (now - at) / _SECOND) * self._rate)
        if level < 1:
            self._levels[id] = (level, now)
            return math.ceil((1 - level) / self._rate)
        self._levels[id] = (level - 1, now)
        return 0
