"""Row and Facts: what a Docker Engine says of a container, in its list and when it is inspected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_EXIT = re.compile(r"^(?:Exited|Restarting) \((-?\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)")
_MINUTES = re.compile(r"^Up (\d+) minutes")
_LONG_UP = re.compile(r"^Up (?:About an hour|\d+ (?:hours|days|weeks|months|years))")
_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$")


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


@dataclass(frozen=True)
class Facts:
    """What only an inspection tells."""

    exit_code: int
    oom_killed: bool
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    restarts: int  # by Docker itself, since it was last started by a person
    policy: str  # no, on-failure, unless-stopped, always
    memory_limit: int  # bytes; 0: none
    failing_streak: int = 0
    probe_code: int | None = None  # of the last health check
    probe_output: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Facts:
        """From `GET /containers/{id}/json`."""
        state, host = said["State"], said.get("HostConfig") or {}
        health = state.get("Health") or {}
        last: Mapping[str, Any] = (health.get("Log") or [{}])[-1]
        return cls(
            exit_code=int(state.get("ExitCode") or 0),
            oom_killed=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
            started_at=moment(state.get("StartedAt")),
            finished_at=moment(state.get("FinishedAt")),
            restarts=int(said.get("RestartCount") or 0),
            policy=(host.get("RestartPolicy") or {}).get("Name") or "no",
            memory_limit=int(host.get("Memory") or 0),
            failing_streak=int(health.get("FailingStreak") or 0),
            probe_code=last.get("ExitCode"),
            probe_output=str(last.get("Output") or ""),
        )


def moment(text: str | None) -> datetime | None:
    """Docker's time, which has nanoseconds; None for its zero, the year 1."""
    found = _TIME.match(text or "")
    if found is None or found.group(1).startswith("0001"):
        return None
    zone = found.group(3).replace("Z", "+00:00")
    fraction = (found.group(2) or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{found.group(1)}.{fraction}{zone}").astimezone(timezone.utc)
