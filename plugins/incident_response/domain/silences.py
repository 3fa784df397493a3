"""Silences and maintenance windows: when a signal opens nothing. What fires at their end is not forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from .errors import BadInput
from .patterns import Pattern, pattern
from .severities import Scenario, Severity
from .times import UTC

MOST_DAYS = 90  # a silence without an end is a monitor that was switched off
_NO_COMMA = re.compile(r"\\.|\[[^\]]*\]|\{[^}]*\}")  # where a comma is none between two things
# Labels whose value the rules find, whatever the signal itself calls it.
_FOUND = {"severity": [one.value for one in Severity], "scenario": [one.value for one in Scenario]}
_TWICE = timedelta(hours=1)  # no zone sets its clocks back by more


@dataclass(frozen=True)
class Matchers:
    """Label → regular expression for the whole value. All of them must match."""

    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels:
            raise BadInput("a silence needs at least one matcher, such as service=keycloak")
        for label, text in self.labels.items():
            try:
                pattern(text)
            except BadInput as error:
                raise BadInput(f"{label}: {error}") from None

    @cached_property
    def _patterns(self) -> tuple[tuple[str, Pattern], ...]:
        return tuple((label, pattern(text)) for label, text in self.labels.items())

    def match(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches."""
        return all(one.matches(labels.get(label, "")) for label, one in self._patterns)

    def check(self) -> Matchers:
        """Itself. Raises BadInput for what would match everything, and for what can never match."""
        for label, text in self.labels.items():
            _check_value(label, text)
        if self.match({}):
            raise BadInput(
                f"{self} matches everything, also what has no such label; at least one matcher must not "
                "match the empty text: write for example service=keycloak, or .+ in place of .*"
            )
        for label, words in _FOUND.items():
            if label in self.labels and not any(pattern(self.labels[label]).matches(word) for word in words):
                raise BadInput(
                    f"{label}={self.labels[label]} matches nothing: the {label} is what the rules find, "
                    f"{', '.join(words)}"
                )
        return self

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Matchers:
        """From `label=regular expression` each; Alertmanager's `=~` means the same here."""
        found: dict[str, str] = {}
        for text in texts:
            label, equals, value = (part.strip() for part in text.partition("="))
            value = value.removeprefix("~").strip()
            if label.endswith("!"):  # it would mute everything else, what nobody has thought of included
                raise BadInput(f"{text!r}: a silence names what it mutes; write label=value without !")
            if not equals or not label or not value:
                # Nor an empty value, which everything has that lacks the label.
                raise BadInput(f"{text!r} is no matcher; write label=value, for example service=keycloak")
            if label in found:
                raise BadInput(f"{label} is named twice; write {label}={found[label]}|{value}")
            found[label] = value
        return cls(found).check()

    def __str__(self) -> str:
        return in_words(self.labels)


def in_words(labels: Mapping[str, str]) -> str:
    """Matchers as people write them, also those that cannot be used any more."""
    return ", ".join(f"{label}={text}" for label, text in labels.items())


def _check_value(label: str, text: str) -> None:
    """Refuse what can never match, because the form was misread."""
    bare = _NO_COMMA.sub("", text)
    if text[:1] in "\"'" and text:
        inner = text.strip("\"'") or "value"
        raise BadInput(
            f"{label}={text} can never match: the quotes would be a part of the value; write {label}={inner}"
        )
    if text.startswith(("=", "~")):
        raise BadInput(
            f"{label}={text} can never match: write {label}={text.lstrip('=~ ')}, without a second sign"
        )
    if "," in bare:
        other = re.search(r",\s*([A-Za-z_]\w*)\s*=", bare)
        remedy = (
            f"write {other.group(1)}=… as a matcher of its own, one a line"
            if other
            else f"write {label}={'|'.join(part.strip() for part in text.split(','))} for one of several, "
            "or \\, for the character itself"
        )
        raise BadInput(f"{label}={text} can never match: a comma separates nothing here; {remedy}")


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
    def _matchers(self) -> Matchers | None:
        try:
            return Matchers(self.matchers)
        except BadInput:  # an older version took it; what cannot be read here must not hide anything
            return None

    def end(self, labels: Mapping[str, str], now: datetime) -> datetime | None:
        """When it stops to mute a signal of these labels, None when it does not mute it now."""
        if not self.starts_at <= now < self.ends_at or self._matchers is None:
            return None
        return self.ends_at if self._matchers.match(labels) else None

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
