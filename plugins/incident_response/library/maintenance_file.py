"""include/policy/maintenance.yaml: when trouble is planned."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Literal

from pydantic import Field, field_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.errors import BadInput
from incident_response.domain.silences import MaintenanceWindow, Matchers
from incident_response.zones import Zone

from .escalation_file import ElapsedText
from .yaml_file import Model

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
            Matchers(match)
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
