"""Facts: what a Docker Engine says of one container that is inspected, and of its use of memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$")


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


def used(stats: Mapping[str, Any]) -> tuple[int, int] | None:
    """Bytes used and allowed, as `docker stats` shows them; None for a container that has just ended."""
    memory = stats.get("memory_stats") or {}
    usage, limit = int(memory.get("usage") or 0), int(memory.get("limit") or 0)
    if not usage or not limit:
        return None
    detail = memory.get("stats") or {}
    # Files the kernel can drop at any time are no need. cgroup v1 names them total_, v2 does not.
    cache = int(detail.get("total_inactive_file", detail.get("inactive_file", 0)))
    return (usage - cache if cache < usage else usage), limit
