"""What the detector of log lines remembers of a query between looks: JSON in its cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from incident_response.sources.loki import LogQuery

from .logql import Count


@dataclass(frozen=True)
class Known:
    """A value of the label that has a finding."""

    lines: float  # at the latest look that was answered
    shown: datetime  # when its lines were last fetched


@dataclass(frozen=True)
class QueryMemory:
    """Of one query."""

    known: Mapping[str, Known] = field(default_factory=dict)  # by value of the label
    failures: int = 0  # looks without an answer, in a row

    @classmethod
    def of(cls, memory: Mapping[str, Any], name: str) -> QueryMemory:
        """From the detector's memory; empty for a query that is new."""
        kept = memory.get(name, {})
        known = {
            value: Known(lines, datetime.fromisoformat(shown))
            for value, (lines, shown) in kept.get("known", {}).items()
        }
        return cls(known, kept.get("failures", 0))

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "known": {value: [known.lines, known.shown.isoformat()] for value, known in self.known.items()},
            "failures": self.failures,
        }

    def above(self, query: LogQuery, found: list[Count]) -> list[Count]:
        """The counts that make a finding, or go on with one. What has one already comes first."""
        return sorted(
            (
                count
                for count in found
                if count.lines >= query.at_least
                or (count.value in self.known and count.lines >= query.clears_below)
            ),
            key=lambda count: (count.value not in self.known, -count.lines),
        )

    def due(self, value: str, now: datetime, repeat: timedelta) -> bool:
        """True when its lines are to be fetched: it is new, or is going to be told again."""
        known = self.known.get(value)
        return known is None or now - known.shown >= repeat
