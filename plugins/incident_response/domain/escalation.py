"""EscalationPolicy: targets, levels, ladder, receivers — copied into an incident when it opens (procedures
§1.1, §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from .business_hours import BusinessHours, Span
from .severities import Severity


class Cause(str, Enum):
    """A finding that makes an incident jump to a level at once (procedures §4.1)."""

    CODE = "code"
    CONFIGURATION = "configuration"
    INFRASTRUCTURE = "infrastructure"
    NETWORK = "network"
    HARDWARE = "hardware"
    SECURITY = "security"
    BUSINESS_IMPACT = "business_impact"
    CUSTOMER = "customer"

    @property
    def level(self) -> int:
        """The level that answers for this cause."""
        return _CAUSE_LEVEL[self]


_CAUSE_LEVEL = {
    Cause.CODE: 2,
    Cause.CONFIGURATION: 2,
    Cause.INFRASTRUCTURE: 3,
    Cause.NETWORK: 3,
    Cause.HARDWARE: 3,
    Cause.SECURITY: 4,
    Cause.BUSINESS_IMPACT: 4,
    Cause.CUSTOMER: 4,
}
TOP_LEVEL = 4


@dataclass(frozen=True)
class Receiver:
    """A way to reach a level or the stakeholders: a channel's name and an address in it."""

    channel: str
    address: str


@dataclass(frozen=True)
class Level:
    """Who answers: 1 Operations, 2 Development, 3 Infrastructure, 4 Management."""

    number: int
    name: str
    receivers: tuple[Receiver, ...]


@dataclass(frozen=True)
class Targets:
    """What a severity asks for. A None span means: never."""

    acknowledge: Span
    resolve: Span
    page_after: Span = field(default_factory=Span)  # grace for an automatic repair before the first page
    acknowledgement_expiry: Span | None = None
    update_every: Span | None = None  # status updates to stakeholders (procedures §3.4)
    ladder: Mapping[int, Span] = field(default_factory=dict)  # level → unresolved for this long


@dataclass(frozen=True)
class EscalationPolicy:
    """The whole of include/policy/escalation.yaml, validated; `source` is its canonical text, `digest`
    names it.
    """

    digest: str
    source: str
    hours: BusinessHours
    levels: tuple[Level, ...]
    stakeholders: tuple[Receiver, ...]
    targets: Mapping[Severity, Targets]
    hold_down: timedelta = timedelta(minutes=5)
    reopen_window: timedelta = timedelta(hours=24)
    close_after: timedelta = timedelta(days=7)

    def level(self, number: int) -> Level:
        """The level with this number."""
        return next(level for level in self.levels if level.number == number)

    def due(self, start: datetime, span: Span) -> datetime:
        """The moment `span` after `start` in this policy's calendar."""
        return self.hours.add(start, span)

    def next_rung(self, severity: Severity, level: int, start: datetime) -> tuple[int, datetime] | None:
        """The next level above `level` on the ladder and when it is due; None at the top."""
        above = sorted(number for number in self.targets[severity].ladder if number > level)
        return (above[0], self.due(start, self.targets[severity].ladder[above[0]])) if above else None
