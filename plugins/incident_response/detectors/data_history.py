"""A number held against its own past: median and median absolute deviation (MAD)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from incident_response.sources.data_checks import Anomaly


@dataclass(frozen=True)
class History:
    """Usual values, the latest last, and those that were strange since. JSON by `kept`."""

    usual: tuple[float, ...] = ()
    strange: tuple[float, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> History:
        """From a cursor."""
        return cls(tuple(kept.get("usual", ())), tuple(kept.get("strange", ())))

    @property
    def kept(self) -> dict[str, Any]:
        """For the cursor."""
        return {"usual": list(self.usual), "strange": list(self.strange)}

    def band(self, check: Anomaly) -> tuple[float, float] | None:
        """Lowest and highest usual value; None while it has seen too little to speak."""
        if len(self.usual) < check.least:
            return None
        middle = median(self.usual)
        deviation = median(abs(value - middle) for value in self.usual)
        room = max(check.factor * deviation, abs(middle) * check.tolerance / 100)
        return middle - room, middle + room

    def after(self, value: float, check: Anomaly) -> History:
        """With one more value.

        A strange one is not learnt from, or an outage would soon be usual. Only when as many in a row as the
        history holds are strange on the same side is that the new level.
        """
        band = self.band(check)
        if band is None or band[0] <= value <= band[1]:
            return History((*self.usual, value)[-check.looks :])
        same_side = [old for old in self.strange if (old > band[1]) == (value > band[1])]
        strange = (*(same_side if len(same_side) == len(self.strange) else ()), value)
        if len(strange) >= check.looks:
            return History(strange[-check.looks :])
        return History(self.usual, strange)
