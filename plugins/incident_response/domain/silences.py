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
_TWICE = timedelta(hours=1)  # no zone sets its clocks back by more


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
            except (re.error, OverflowError, RecursionError) as error:
                raise BadInput(f"{label}: {pattern!r} is no regular expression: {error}") from None

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((label, re.compile(pattern)) for label, pattern in self.labels.items())

    def match(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches."""
        return all(pattern.fullmatch(labels.get(label, "")) for label, pattern in self._patterns)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Matchers:
        """From `label=regular expression` each; Alertmanager's `=~` means the same here."""
        found: dict[str, str] = {}
        for text in texts:
            label, equals, pattern = (part.strip() for part in text.partition("="))
            pattern = pattern.removeprefix("~").strip()
            if label.endswith("!"):  # it would mute everything else, what nobody has thought of included
                raise BadInput(f"{text!r}: a silence names what it mutes; write label=value without !")
            if not equals or not label or not pattern:
                # Nor an empty value, which everything has that lacks the label.
                raise BadInput(f"{text!r} is no matcher; write label=value, for example service=keycloak")
            if label in found:
                raise BadInput(f"{label} is named twice; write {label}={found[label]}|{pattern}")
            found[label] = pattern
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

        # The wall clock of the zone decides: a window at 02:00 is at 02:00 in summer and in winter. A time
        # that the clock shows twice counts the first time, one that it skips is as much later as is skipped.
        zone = ZoneInfo(self.zone)
        local = now.astimezone(zone)
        # The second time around, everything up to the end of this hour was there before.
        shown = local.replace(tzinfo=None) + (_TWICE if local.fold else timedelta())
        times = croniter(self.cron, shown + timedelta(seconds=1))
        while (began := times.get_prev(datetime).replace(tzinfo=zone).astimezone(UTC)) > now:
            pass
        return began + self.length if began + self.length > now else None

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
