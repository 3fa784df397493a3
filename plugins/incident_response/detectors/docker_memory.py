"""MemoryUse: which containers have a memory limit, and which of them are near it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.sources.docker_engine import Terms

_LOOK_AGAIN = timedelta(minutes=15)  # `docker update` may change a limit


class MemoryUse:
    """Limits and what is short of memory, by container, kept between looks."""

    def __init__(self, memory: Mapping[str, Any], now: datetime) -> None:
        self._now = now
        self._limits: dict[str, list[Any]] = dict(memory.get("limits", {}))
        self._short = set(memory.get("short", ()))

    def known(self, container: str) -> bool:
        """Whether its limit was read lately."""
        found = self._limits.get(container)
        return found is not None and self._now - datetime.fromisoformat(found[1]) < _LOOK_AGAIN

    def learn(self, container: str, limit: int) -> None:
        """Keep the limit that an inspection told; 0: none."""
        self._limits[container] = [limit, self._now.isoformat()]

    def limited(self, container: str) -> bool:
        """Whether it is known to have a limit."""
        return bool(self._limits.get(container, [0])[0])

    def judge(self, container: str, percent: float, terms: Terms) -> bool:
        """Whether it is short of memory: from `memory_percent` until it is below `memory_clear`."""
        bound = terms.memory_clear if container in self._short else terms.memory_percent
        (self._short.add if percent >= bound else self._short.discard)(container)
        return percent >= bound

    def memory(self, there: set[str]) -> dict[str, Any]:
        """What to keep until the next look, of the containers that are still there."""
        limits = {key: value for key, value in self._limits.items() if key in there}
        return {"limits": limits, "short": sorted(self._short & there)}
