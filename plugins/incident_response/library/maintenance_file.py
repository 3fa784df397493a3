"""include/policy/maintenance.yaml: when trouble is planned."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.errors import BadInput
from incident_response.domain.silences import MaintenanceWindow, Matchers
from incident_response.zones import Zone

from .escalation_file import ElapsedText
from .yaml_file import Model

_DAYS = 1500  # days of the calendar that are looked at: four years of every day
_ANY_DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)


class WindowEntry(Model):
    """From each time of `cron` on, for `length`, what `match` says opens no incident."""

    title: str = Field(min_length=1, max_length=120)
    match: dict[str, str] = Field(
        description="Label → regular expression, whole value; also service, scenario and severity."
    )
    cron: str = Field(description="Five fields: minute, hour, day, month, weekday.")
    length: ElapsedText
    zone: Zone = Field("UTC", description="IANA zone of `cron`: two in the morning is so in summer, too.")

    @field_validator("match")
    @classmethod
    def _matchers(cls, match: dict[str, str]) -> dict[str, str]:
        try:
            Matchers(match).check()
        except BadInput as error:
            raise ValueError(str(error)) from None
        return match

    @field_validator("cron")
    @classmethod
    def _cron(cls, cron: str) -> str:
        # Loaded where a window is configured: a failing task reads this file, too.
        from croniter import CroniterError, croniter

        # R and H stand for chance: a window would be open now and then.
        if len(cron.split()) != 5 or not croniter.is_valid(cron) or re.search(r"(?i)\b[rh]\b", cron):
            raise ValueError(f"{cron!r} is no cron expression; write for example 0 2 * * 0")
        try:
            croniter(cron, _ANY_DAY).get_prev(datetime)
        except CroniterError:
            raise ValueError(
                f"{cron!r} never comes, such as 31 February; write for example 0 2 * * 0"
            ) from None
        return cron

    @field_validator("length")
    @classmethod
    def _closes(cls, length: str, info: ValidationInfo) -> str:
        cron = info.data.get("cron")
        span = Span.parse(length).elapsed
        if cron is not None and not _closes(cron, span):
            raise ValueError(
                f"{length} is no shorter than the time from one {cron!r} to the next: the window would never "
                "close; make it shorter, or switch the alert off where it comes from"
            )
        return length


def _closes(cron: str, length: timedelta) -> bool:
    """Whether the window is ever shut: whether one of its times is further from the next than it is long."""
    from croniter import CroniterError, croniter

    fields = croniter.expand(cron)[0]
    minutes, hours = (_numbers(field, count) for field, count in ((fields[0], 60), (fields[1], 24)))
    times = [timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes]
    if any(after - before > length for before, after in pairwise(times)):
        return True
    # Within its days it is open from the first time to the last: what counts is the nights between the days.
    night = times[0] - times[-1]
    days = croniter(f"0 0 {' '.join(cron.split()[2:])}", _ANY_DAY)
    before = days.get_next(datetime)
    for _ in range(_DAYS):
        try:
            after = days.get_next(datetime)
        except CroniterError:
            return True  # there is no next one
        if after - before + night > length:
            return True
        before = after
    return False


def _numbers(field: list[Any], count: int) -> list[int]:
    return list(range(count)) if "*" in field else sorted(int(one) for one in field)


class MaintenanceFile(Model):
    """The whole file."""

    version: Literal[1]
    windows: tuple[WindowEntry, ...] = ()


def windows(content: MaintenanceFile) -> tuple[MaintenanceWindow, ...]:
    """The domain's records."""
    return tuple(
        MaintenanceWindow(w.title, w.match, w.cron, Span.parse(w.length).elapsed, w.zone)
        for w in content.windows
    )
