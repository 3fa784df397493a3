"""include/policy/escalation.yaml: targets, levels, ladder, receivers, business hours."""

from __future__ import annotations

import hashlib
import json
from datetime import time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from incident_response.domain.business_hours import BusinessHours, Holidays, Span
from incident_response.domain.errors import BadInput
from incident_response.domain.escalation import EscalationPolicy, Level, Receiver, Targets
from incident_response.domain.severities import Severity

from .yaml_file import Model

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _span(text: str) -> str:
    try:
        Span.parse(text)
    except BadInput as error:
        raise ValueError(str(error)) from None
    return text


def _elapsed(text: str) -> str:
    if Span.parse(_span(text)).elapsed == timedelta() and not text.startswith("0"):
        raise ValueError(f"{text!r} must be elapsed time, not business time")
    return text


SpanText = Annotated[str, BeforeValidator(str), AfterValidator(_span)]
ElapsedText = Annotated[str, BeforeValidator(str), AfterValidator(_elapsed)]


class ReceiverEntry(Model):
    """A way to reach somebody."""

    channel: Literal["console", "email"] = Field(description="Channel: console (log) or email.")
    address: str = Field(min_length=1, max_length=200, description="Mail address; for console any name.")


class LevelEntry(Model):
    """Who answers at a level (procedures §4.2)."""

    name: str = Field(min_length=1, max_length=60)
    receivers: tuple[ReceiverEntry, ...] = Field(min_length=1, description="All of them are paged at once.")


class TargetsEntry(Model):
    """What a severity asks for (procedures §1.1)."""

    acknowledge: SpanText
    resolve: SpanText
    page_after: SpanText = "0 s"
    acknowledgement_expires: SpanText | None = None
    update_every: SpanText | None = None
    ladder: dict[int, SpanText] = Field(default_factory=dict, description="Level → unresolved for this long.")

    @model_validator(mode="after")
    def _sane(self) -> TargetsEntry:
        for name in ("acknowledge", "resolve", "acknowledgement_expires", "update_every"):
            text = getattr(self, name)
            if text is not None and Span.parse(text) == Span():
                raise ValueError(f"{name} must be longer than nothing")
        if unknown := [level for level in self.ladder if level not in (2, 3, 4)]:
            raise ValueError(f"ladder names level {unknown[0]}; the ladder climbs to 2, 3 and 4")
        return self


class HoursEntry(Model):
    """When the office is open, local time."""

    weekdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(min_length=1)
    opens: time
    closes: time


class EscalationFile(Model):
    """The whole file."""

    version: Literal[1]
    zone: str
    business_hours: HoursEntry
    holidays: tuple[str, ...] = ()
    severities: dict[Severity, TargetsEntry]
    levels: dict[int, LevelEntry]
    stakeholders: tuple[ReceiverEntry, ...] = ()
    hold_down: ElapsedText = "5 min"
    reopen_window: ElapsedText = "1 h"
    close_after: ElapsedText = "1 week"

    @field_validator("holidays", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """YAML reads 2026-05-14 as a date; here it is text."""
        return [str(entry) for entry in value] if isinstance(value, list) else value

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no IANA time zone; write for example Europe/Stockholm") from None
        return zone

    @field_validator("holidays")
    @classmethod
    def _holidays(cls, holidays: tuple[str, ...]) -> tuple[str, ...]:
        try:
            Holidays.parse(list(holidays))
        except BadInput as error:
            raise ValueError(str(error)) from None
        return holidays

    @field_validator("severities")
    @classmethod
    def _all_severities(cls, severities: dict[Severity, TargetsEntry]) -> dict[Severity, TargetsEntry]:
        if missing := [s.value for s in Severity if s not in severities]:
            raise ValueError(f"{', '.join(missing)} missing; all of P1 … P4 are needed")
        return severities

    @field_validator("levels")
    @classmethod
    def _all_levels(cls, levels: dict[int, LevelEntry]) -> dict[int, LevelEntry]:
        if set(levels) != {1, 2, 3, 4}:
            raise ValueError("exactly 1, 2, 3 and 4 are needed (procedures §4.2)")
        return levels


def policy(content: EscalationFile) -> EscalationPolicy:
    """The domain's policy; its source is canonical, so equal files give equal digests."""
    source = json.dumps(content.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    hours = content.business_hours
    return EscalationPolicy(
        digest=hashlib.sha256(source.encode()).hexdigest()[:16],
        source=source,
        hours=BusinessHours(
            zone=content.zone,
            weekdays=frozenset(_DAYS.index(day) + 1 for day in hours.weekdays),
            opens=hours.opens,
            closes=hours.closes,
            holidays=Holidays.parse(list(content.holidays)),
        ),
        levels=tuple(
            Level(number, entry.name, _receivers(entry.receivers))
            for number, entry in sorted(content.levels.items())
        ),
        stakeholders=_receivers(content.stakeholders),
        targets={
            severity: Targets(
                acknowledge=Span.parse(entry.acknowledge),
                resolve=Span.parse(entry.resolve),
                page_after=Span.parse(entry.page_after),
                acknowledgement_expiry=_optional(entry.acknowledgement_expires),
                update_every=_optional(entry.update_every),
                ladder={level: Span.parse(text) for level, text in entry.ladder.items()},
            )
            for severity, entry in content.severities.items()
        },
        hold_down=Span.parse(content.hold_down).elapsed,
        reopen_window=Span.parse(content.reopen_window).elapsed,
        close_after=Span.parse(content.close_after).elapsed,
    )


def parse(source: str) -> EscalationPolicy:
    """A policy from the canonical text that was kept with an incident."""
    return policy(EscalationFile.model_validate_json(source))


def _optional(text: str | None) -> Span | None:
    return None if text is None else Span.parse(text)


def _receivers(entries: tuple[ReceiverEntry, ...]) -> tuple[Receiver, ...]:
    return tuple(Receiver(entry.channel, entry.address) for entry in entries)
