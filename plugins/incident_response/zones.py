"""Zone: an IANA time zone, as a person writes it."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, KeyError):  # a folder of zones, a name too long, none of this name
        raise ValueError(f"{zone!r} is no IANA zone; write for example Europe/Stockholm") from None
    return zone


Zone = Annotated[str, AfterValidator(_known)]
