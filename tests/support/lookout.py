"""A detector that looks for real, and the house that takes in what it sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from incident_response.detectors.base import SourceDetector
from incident_response.domain.errors import IncidentNotFound
from incident_response.domain.incidents import Incident
from incident_response.domain.signals import Signal
from tests.support.house import House


class Lookout:
    """Polls a detector and hands its signals to the real intake with the shipped rules."""

    def __init__(self, detector: SourceDetector[Any]) -> None:
        self.detector = detector
        self.house = House()
        self.cursor: Mapping[str, Any] = {}
        self.said: list[str] = []  # all that was ever said, for a search after secrets

    def look(self, **later: float) -> list[Signal]:
        """One look, `later` on the house's clock; the cursor goes through JSON, as in the store."""
        if later:
            self.house.later(**later)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), self.house.now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        self.house.intake.receive(seen.signals, self.house.now)
        self.said += [json.dumps(self.cursor), *map(repr, seen.signals)]
        return list(seen.signals)

    def names(self, **later: float) -> dict[str, bool]:
        """One look: the names of its signals, and whether they fire."""
        return {signal.name: signal.firing for signal in self.look(**later)}

    def incidents(self) -> list[Incident]:
        """All that were opened."""
        found = []
        with self.house.store.read() as tx:
            for number in range(1, 50):
                try:
                    found.append(tx.get(number))
                except IncidentNotFound:
                    break
        return found
