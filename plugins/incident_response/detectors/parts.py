"""Parts: a look that consists of several questions, of which one may fail while the others count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.logs import logger
from incident_response.domain.signals import Signal

from .base import Look

log = logger(__name__)

_BLIND_AFTER = 3  # failures in a row; one or two are a restart over there


@dataclass(frozen=True)
class Found:
    """What one part found."""

    firing: Sequence[Signal] = ()
    held: frozenset[str] = frozenset()  # fingerprints of things that are neither told nor resolved
    partial: bool = False  # what is missing is not taken for resolved
    memory: Mapping[str, Any] = field(default_factory=dict)  # the part's own, JSON


class Part(Protocol):
    """One question."""

    key: str  # of its memory; also tells people which part fails

    def look(self, memory: Mapping[str, Any], was: frozenset[str], seconds: float, now: datetime) -> Found:
        """Ask once, within `seconds`. `was` are the fingerprints of what fired here before.

        Raises SourceUnavailable.
        """


class Clock(Protocol):
    """How much time is left."""

    @property
    def left(self) -> float:
        """In seconds."""


def look_at(
    parts: Sequence[Part], name: str, source: str, memory: Mapping[str, Any], now: datetime, clock: Clock
) -> Look:
    """All parts, one after the other; `name` is the detector's, `source` its kind.

    What fired before in a part that fails is held: not told again, and not resolved. A part that fails again
    and again is blindness, and fires itself. Raises the first part's SourceUnavailable when all failed.
    """
    firing: list[Signal] = []
    held: set[str] = set()
    after: dict[str, Any] = {}
    errors: list[SourceUnavailable] = []
    for index, part in enumerate(parts):
        before = memory.get(part.key, {})
        was = frozenset(before.get("firing", ()))
        # A part that hangs must leave time for those after it.
        seconds = clock.left if index == len(parts) - 1 else clock.left / 2
        try:
            found = part.look(before.get("own", {}), was, seconds, now)
        except SourceUnavailable as error:
            errors.append(error)
            failures = before.get("failures", 0) + 1
            if failures in (1, _BLIND_AFTER):
                log.warning("%s (in: %s)", error, part.key)
            after[part.key] = {**before, "failures": failures}
            held |= was
            if failures >= _BLIND_AFTER:
                firing.append(_blind(name, source, part.key, failures, error, now))
            continue
        firing += found.firing
        kept = was if found.partial else was & found.held
        held |= kept
        fired = {signal.fingerprint for signal in found.firing}
        after[part.key] = {"firing": sorted(fired | kept), "own": dict(found.memory)}
    if errors and len(errors) == len(parts):
        raise errors[0]
    return Look(tuple(firing), held=held, memory=after)


def _blind(name: str, source: str, part: str, failures: int, error: Exception, now: datetime) -> Signal:
    labels = {"alertname": "DetectorFailing", "detector": name, "part": part, "component": "infrastructure"}
    return Signal(
        source,
        labels,
        f"{name} gets no answer to {part}: it failed {failures} times in a row",
        now,
        details={"error": str(error), "failures": failures},
    )
