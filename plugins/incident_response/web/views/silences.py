"""What is silenced: lasting silences, open maintenance windows, and the signals that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_response.bootstrap import Services
from incident_response.domain.errors import BadInput
from incident_response.domain.records import Held
from incident_response.domain.silences import MaintenanceWindow, Silence, in_words

_MOST = 60  # muted signals on one page
_FRESH = timedelta(minutes=1)

# Minutes, as a form sends them, and in words.
LENGTHS = {
    "30": "30 minutes", "60": "1 hour", "120": "2 hours", "240": "4 hours", "480": "8 hours", "1440": "1 day",
    "2880": "2 days", "4320": "3 days", "10080": "7 days",
}  # fmt: skip
USUAL = "60"


@dataclass(frozen=True)
class Shown:
    """Everything on the page, each with its matchers in words. `held` is (service, muted signal).

    `made` is what the reader has made a moment ago, None: nothing; `made_now` what fires now and matches it.
    """

    silences: Sequence[tuple[str, Silence]]
    made: tuple[str, Silence] | None
    made_now: str
    windows: Sequence[tuple[str, MaintenanceWindow, datetime]]
    planned: int
    held: Sequence[tuple[str, Held]]
    more: bool


def shown(services: Services, reader: str, now: datetime) -> Shown:
    """As it is now."""
    muting = services.intake.muting
    silences, windows = muting.lasting(now)
    named = [(in_words(silence.matchers), silence) for silence in silences]
    fresh = [one for one in named if one[1].owner == reader and now - one[1].created_at < _FRESH]
    held = muting.held(_MOST + 1)
    made = max(fresh, key=lambda one: one[1].created_at, default=None)
    return Shown(
        silences=named,
        made=made,
        made_now=_now(services, made[1], now) if made else "",
        windows=[(in_words(window.matchers), window, until) for window, until in windows],
        planned=len(services.library.windows()),
        held=[(services.intake.classify(one.signal).service, one) for one in held[:_MOST]],
        more=len(held) > _MOST,
    )


def _now(services: Services, made: Silence, now: datetime) -> str:
    texts = [f"{label}={text}" for label, text in made.matchers.items()]
    try:
        return str(services.intake.foresee_silence(texts, now))
    except BadInput:  # it was made elsewhere, by a version that knew other rules
        return ""
