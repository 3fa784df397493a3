"""Row: what a Docker Engine says of a container in its list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_EXIT = re.compile(r"^(?:Exited|Restarting) \((-?\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)")
_MINUTES = re.compile(r"^Up (\d+) minutes")
_LONG_UP = re.compile(r"^Up (?:About an hour|\d+ (?:hours|days|weeks|months|years))")


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    id: str  # the first 12 digits, as `docker ps` shows them
    name: str
    image: str
    state: str  # created, running, paused, restarting, removing, exited, dead
    status: str  # for people: Up 5 minutes (unhealthy)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Row:
        """From one object of `GET /containers/json`."""
        # A linked container also appears as /other/alias; its own name has one slash.
        names = [str(name) for name in said.get("Names") or () if str(name).count("/") == 1]
        digits = str(said["Id"])[:12]
        return cls(
            digits,
            names[0].removeprefix("/") if names else digits,
            str(said.get("Image", "")),
            str(said.get("State", "")),
            str(said.get("Status", "")),
        )

    @property
    def exit_code(self) -> int | None:
        """Of its last end, None while it runs."""
        found = _EXIT.match(self.status)
        return int(found.group(1)) if found else None

    @property
    def health(self) -> str:
        """healthy, unhealthy, starting; empty without a health check."""
        found = _HEALTH.search(self.status)
        return found.group(1) if found else ""

    def up_longer_than(self, span: timedelta) -> bool:
        """True when it surely runs for longer than `span` (at most 45 minutes); the list tells it roughly."""
        minutes = _MINUTES.match(self.status)
        if minutes:
            return timedelta(minutes=int(minutes.group(1))) > span
        return bool(_LONG_UP.match(self.status))
