"""A detector that looks at something real, through the real intake into a house in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from incident_response.detectors.base import SourceDetector
from incident_response.domain.incidents import Incident
from incident_response.domain.signals import Signal
from incident_response.service.intake import Receipt
from tests.support.house import House


class Looking:
    """Its cursor goes through JSON from look to look, as in the store."""

    def __init__(self, detector: SourceDetector[Any], house: House | None = None) -> None:
        self.detector, self.house = detector, house or House()
        self.cursor: Mapping[str, Any] = {}
        self.receipts: list[Receipt] = []

    def look(self, **later: float) -> list[Signal]:
        """Look now, or as if it were that much later, and take in what was seen."""
        now = datetime.now(timezone.utc) + timedelta(**later)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor, allow_nan=False)), now)
        self.house.now = max(self.house.now, now)
        self.receipts = self.house.intake.receive(seen.signals, now)
        self.cursor = seen.cursor or {}
        return list(seen.signals)

    def incident(self) -> Incident:
        """The one that the first signal of the last look belongs to."""
        number = self.receipts[0].incident
        assert number is not None
        return self.house.incident(number)
