"""Downs: since when containers have been down; what lasts a moment is a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Downs:
    """The first sight of each container that is down, by name, kept between looks."""

    def __init__(self, memory: Mapping[str, Any]) -> None:
        self._known: dict[str, str] = dict(memory.get("down", {}))
        self._seen: dict[str, str] = {}

    def since(self, name: str, ended: datetime | None, now: datetime) -> datetime:
        """When it went down: by Docker's account, else when it was first seen down."""
        known = self._known.get(name)
        first = datetime.fromisoformat(known) if known else now
        self._seen[name] = first.isoformat()
        # A clock of the engine's host that runs ahead must not delay the news.
        return min(ended, now) if ended else first

    def memory(self) -> dict[str, Any]:
        """What to keep until the next look."""
        return {"down": self._seen}
