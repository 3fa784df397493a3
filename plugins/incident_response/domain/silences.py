"""Silences and maintenance windows: when a signal opens nothing. What fires at their end is not forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from .errors import BadInput
from .times import UTC

MOST_DAYS = 90  # a silence without an end is a monitor that was switched off


@dataclass(frozen=True)
class Matchers:
    """Label → regular expression for the whole value. All of them must match."""

    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels:
            raise BadInput("a silence needs at least one matcher, such as service=keycloak")
        for label, pattern in self.labels.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise BadInput(f"{label}: {pattern!r} is no regular expression: {error}") from None

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((label, re.compile(pattern)) for label, pattern in self.labels.items())

    def match(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches."""
        return all(pattern.fullmatch(labels.get(label, "")) for label, pattern in self._patterns)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Matchers:
        """From `label=regular expression` each."""
        found: dict[str, str] = {}
        for text in texts:
            label, equals, pattern = text.partition("=")
            if not equals or not label.strip():
                raise BadInput(f"{text!r} is no matcher; write label=value, for example service=keycloak")
            found[label.strip()] = pattern.strip()
        return cls(found)

    def __str__(self) -> str:
        return ", ".join(f"{label}={pattern}" for label, pattern in self.labels.items())


@dataclass(frozen=True)
class Silence:
    """An ad-hoc mute."""

    id: str
    matchers: Mapping[str, str]
    reason: str
    owner: str  # who made it
    starts_at: datetime
    ends_at: datetime
    created_at: datetime

    @cached_property
    def _matchers(self) -> Matchers:
        return Matchers(self.matchers)

    def end(self, labels: Mapping[str, str], now: datetime) -> datetime | None:
        """When it stops to mute a signal of these labels, None when it does not mute it now."""
        return self.ends_at if self.starts_at <= now < self.ends_at and self._matchers.match(labels) else None

    @property
    def name(self) -> str:
        """For the timeline and the page."""
        return f"silence {self.id} of {self.owner}: {self.reason}"


@dataclass(frozen=True)
class MaintenanceWindow:
    """A planned mute: from each time of a cron expression in a zone, for a length of time."""

    title: str
    matchers: Mapping[str, str]
    cron: str
    length: timedelta
    zone: str

    @cached_property
    def _matchers(self) -> Matchers:
        return Matchers(self.matchers)

    def open_until(self, now: datetime) -> datetime | None:
        """When the window that is open now closes, None when none is."""
        from croniter import croniter  # only where a window is configured

        # The wall clock of the zone decides: a window at 02:00 is at 02:00 in summer and in winter.
        local = now.astimezone(ZoneInfo(self.zone))
        began = croniter(self.cron, local + timedelta(seconds=1)).get_prev(datetime)
        closes = began.astimezone(UTC) + self.length
        return closes if closes > now else None

    def end(self, labels: Mapping[str, str], now: datetime) -> datetime | None:
        """As for a silence."""
        return self.open_until(now) if self._matchers.match(labels) else None

    @property
    def name(self) -> str:
        """For the timeline and the page."""
        return f"maintenance: {self.title}"


Mute = Silence | MaintenanceWindow


@dataclass(frozen=True)
class Muted:
    """Why and until when a signal opens nothing."""

    name: str
    until: datetime


def muted(mutes: Iterable[Mute], labels: Mapping[str, str], now: datetime) -> Muted | None:
    """The mute that lasts longest of those that match, None when none does."""
    found = [Muted(mute.name, until) for mute in mutes if (until := mute.end(labels, now)) is not None]
    return max(found, key=lambda mute: mute.until, default=None)
