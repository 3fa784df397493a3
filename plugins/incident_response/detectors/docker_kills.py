"""Kills: processes that the kernel killed for memory, each told once and for a bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from incident_response.clients.docker_facts import Facts

# The event, the end of the process and what Docker writes down lie apart by less than this.
_SAME = timedelta(seconds=15)
_MOST = 200


@dataclass(frozen=True)
class Kill:
    """The latest kill in a container."""

    container: str  # its id
    name: str
    at: str  # ISO, UTC
    ended: bool  # whether the container ended by it, as far as we know

    @property
    def when(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.at)

    @property
    def occurrence(self) -> str:
        """Identity of this kill."""
        return f"{self.container}@{self.at}"


class Kills:
    """The kills of the last minutes, kept between looks: the engine's own memory of events is short."""

    def __init__(self, memory: Mapping[str, Any], now: datetime, told_for: timedelta) -> None:
        self._begin = now - told_for
        self._known = {key: Kill(**kill) for key, kill in memory.get("kills", {}).items()}
        self._asked: int | None = memory.get("events_until")
        self._told_for = told_for

    def window(self, engine_time: datetime) -> tuple[int, int]:
        """The Unix times to ask the engine about, by its own clock: since the last question, until just now.

        A question about the future would keep the engine waiting for it.
        """
        until = int(engine_time.timestamp()) - 1
        earliest = int((engine_time - self._told_for).timestamp())
        since = min(until, max(self._asked or 0, earliest))
        self._asked = until
        return since, until

    def ended(self, container: str, name: str, facts: Facts) -> None:
        """An inspection tells that it ended because of a kill."""
        if facts.oom_killed and facts.finished_at:
            self._add(Kill(container, name, facts.finished_at.isoformat(), True))

    def event(self, said: Mapping[str, Any]) -> None:
        """The engine tells of a kill: the container's process, or a child of it that was killed alone."""
        actor = said.get("Actor") or {}
        seconds = said.get("timeNano", 0) / 1e9 or said.get("time", 0)
        when = datetime.fromtimestamp(seconds, timezone.utc)
        name = str((actor.get("Attributes") or {}).get("name", ""))
        if actor.get("ID") and name:
            self._add(Kill(str(actor["ID"])[:12], name, when.isoformat(), False))

    def explains(self, container: str, ended: datetime | None) -> bool:
        """Whether the container ended because of a kill that is known."""
        known = self._known.get(container)
        return bool(known and ended and abs(ended - known.when) < _SAME)

    def recent(self) -> Iterator[Kill]:
        """Those that are still to be told."""
        return (kill for kill in self._known.values() if kill.when > self._begin)

    def memory(self) -> dict[str, Any]:
        """What to keep until the next look."""
        kept = sorted(self.recent(), key=lambda kill: kill.when)[-_MOST:]
        return {"kills": {kill.container: asdict(kill) for kill in kept}, "events_until": self._asked}

    def _add(self, kill: Kill) -> None:
        known = self._known.get(kill.container)
        if known and abs(kill.when - known.when) < _SAME:
            if kill.ended and not known.ended:
                self._known[kill.container] = Kill(known.container, known.name, known.at, True)
        elif known is None or kill.when > known.when:
            self._known[kill.container] = kill
