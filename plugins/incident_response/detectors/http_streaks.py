"""Streak: how often in a row a target was bad, or good again; one bad answer is no trouble yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

_ENOUGH = 1000  # counted no further


@dataclass(frozen=True)
class Streak:
    """Kept between looks."""

    bad: int = 0
    good: int = 0  # since the last bad look
    since: datetime | None = None  # first bad look after a good state
    firing: bool = False
    reason: str = ""  # of the last bad look
    details: Mapping[str, Any] | None = None

    def add(
        self, reason: str, details: Mapping[str, Any], now: datetime, *,
        failures: int, successes: int, grace: timedelta = timedelta(),
    ) -> Streak:  # fmt: skip
        """The streak after one more look; an empty `reason` is a good one."""
        if not reason:
            if self.firing and self.good + 1 < successes:
                return replace(self, good=self.good + 1)
            return Streak()
        since, bad = self.since or now, min(self.bad + 1, _ENOUGH)
        firing = self.firing or (bad >= failures and now - since >= grace)
        return Streak(bad, 0, since, firing, reason, details)

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> Streak:
        """From what was kept."""
        if not kept:
            return cls()
        since = kept.get("since")
        return cls(**{**kept, "since": datetime.fromisoformat(since) if since else None})

    def kept(self) -> dict[str, Any] | None:
        """What to keep, None when there is nothing to remember."""
        if self == Streak():
            return None
        return {**self.__dict__, "since": self.since.isoformat() if self.since else None}
