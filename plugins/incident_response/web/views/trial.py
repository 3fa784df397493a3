"""The answer of the rules page: what one signal would do now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_response.bootstrap import Services
from incident_response.domain.signals import Signal
from incident_response.service.foresight import Foresight

from .waiting import Wait, Waiting


@dataclass(frozen=True)
class Trial:
    """What is shown. `page_after` and `wait` tell of the first page, where an incident would be opened."""

    signal: Signal
    seen: Foresight
    called: str | None  # the service as the labels name it, before the map; None when they do not
    level: str
    raises: bool
    page_after: timedelta
    wait: Wait


def trial(services: Services, signal: Signal, now: datetime) -> Trial:
    """Nothing is stored by it."""
    seen = services.intake.foresee(signal, now)
    found, opens = seen.found, seen.opens
    policy = services.library.current()
    return Trial(
        signal=signal,
        seen=seen,
        called=signal.labels.get("service"),
        level=policy.level(found.level).name,
        raises=(
            seen.incident is not None
            and seen.opens is None
            and not seen.reopens
            and found.severity.worse_than(seen.incident.severity)
        ),
        page_after=opens.page_at - now if opens is not None and opens.page_at is not None else timedelta(),
        wait=Waiting.of(services).waits(opens, now) if opens is not None else Wait.NOTHING,
    )
