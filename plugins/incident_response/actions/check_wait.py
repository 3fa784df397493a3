"""check.wait: a pause."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.times import in_words
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import CheckWait

from .kit import Kit


class Wait:
    """It sleeps nowhere: whoever asks again in time finds that it is over."""

    parameters: ClassVar[type[Parameters]] = CheckWait

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Is it over?"""
        asked: CheckWait = scene.parameters
        now = self._kit.now()
        since = scene.started_at or self._asked_before(scene) or now
        data = {"waits_seconds": asked.length.total_seconds(), "since": since.isoformat()}
        left = asked.length - (now - since)
        if left.total_seconds() > 0:
            return Finding(f"Waiting for {in_words(asked.length)}, {in_words(left)} are left", data)
        return Finding(f"{in_words(asked.length)} have passed", data, proven=True)

    @staticmethod
    def _asked_before(scene: Scene) -> datetime | None:
        """When nothing was changed: since this pause was asked for first, as its own finding says."""
        seconds = scene.parameters.length.total_seconds()
        found = [data for data in scene.found.values() if data.get("waits_seconds") == seconds]
        return datetime.fromisoformat(str(found[-1]["since"])) if found else None
