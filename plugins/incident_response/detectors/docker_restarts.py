"""Restarts: containers that Docker starts again and again, by the growth of their restart counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from incident_response.sources.docker_engine import RestartLimit

_MOST_SAMPLES = 100


class Restarts:
    """The restart counts seen in the last minutes, by container, kept between looks.

    A person's `docker restart` is not counted by Docker, and sets the count to zero.
    """

    def __init__(self, memory: Mapping[str, Any]) -> None:
        self._known: dict[str, dict[str, Any]] = dict(memory.get("restarts", {}))
        self._seen: dict[str, dict[str, Any]] = {}

    def loops(self, container: str, count: int, *, waiting: bool, limit: RestartLimit, now: datetime) -> int:
        """The restarts within the window while it is a loop, else 0.

        `waiting`: Docker waits before its next try. That, with a count that has reached the limit, is a loop
        at the first sight of it: the count alone may have grown over months.
        """
        known = self._known.get(container, {})
        samples = [(datetime.fromisoformat(at), seen) for at, seen in known.get("samples", ())]
        if samples and count < samples[-1][1]:
            samples = [(now, 0)]  # started by a person; what Docker counts now has happened since
        begin = now - limit.within
        before = [sample for sample in samples if sample[0] <= begin]
        samples = before[-1:] + [sample for sample in samples if sample[0] > begin]
        if not samples or samples[-1][1] != count:
            samples.append((now, count))
        grown = count - samples[0][1]
        firing = grown >= limit.count or (waiting and count >= limit.count)
        firing = firing or bool(known.get("firing") and grown > 0)
        kept = [(at.isoformat(), seen) for at, seen in samples[-_MOST_SAMPLES:]]
        self._seen[container] = {"samples": kept, "firing": firing}
        return max(grown, 1) if firing else 0

    def keep(self, container: str) -> None:
        """It runs for longer than the window and was not asked: its next loop begins at the count known."""
        if samples := self._known.get(container, {}).get("samples"):
            self._seen[container] = {"samples": samples[-1:], "firing": False}

    def memory(self) -> dict[str, Any]:
        """What to keep until the next look."""
        return {"restarts": self._seen}
