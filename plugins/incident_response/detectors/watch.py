"""Watch: what fires compared with what fired at the last look; news in, signals out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.signals import Signal


class Watch:
    """The memory of a state-like source, kept in the detector's cursor (JSON).

    A thing that begins to fire is told at once, one that goes on is told again after `repeat`, one that
    ended is told as resolved. If the process dies before the cursor is kept, all is told again, and counted.
    """

    def __init__(self, source: str, cursor: Mapping[str, Any], now: datetime, repeat: timedelta) -> None:
        self._source, self._now, self._repeat = source, now, repeat
        self._known: dict[str, dict[str, Any]] = dict(cursor.get("firing", {}))

    def firing_since(self, fingerprint: str) -> datetime | None:
        """When this thing began to fire, None when it did not fire at the last look."""
        known = self._known.get(fingerprint)
        return datetime.fromisoformat(known["since"]) if known else None

    def compare(
        self, firing: Sequence[Signal], *, complete: bool = True, held: Collection[str] = ()
    ) -> list[Signal]:
        """The signals that follow from a look at everything that fires.

        `complete` False: a part of the source did not answer, so what is missing in `firing` is not resolved.
        `held`: fingerprints of which nothing is told, neither that they fire nor that they ended.
        """
        signals: list[Signal] = []
        seen: dict[str, dict[str, Any]] = {}
        for signal in firing:
            key = signal.fingerprint
            known = self._known.get(key)
            due = known is None or self._now - datetime.fromisoformat(known["told"]) >= self._repeat
            if due:
                signals.append(self._repeated(signal, known) if known else signal)
            seen[key] = {
                "labels": dict(signal.labels),
                "summary": signal.summary,
                "since": known["since"] if known else signal.occurred_at.isoformat(),
                "told": self._now.isoformat() if due or known is None else known["told"],
            }
        gone = {key: known for key, known in self._known.items() if key not in seen}
        kept = {key: known for key, known in gone.items() if not complete or key in held}
        over = {key: known for key, known in gone.items() if key not in kept}
        signals += [self._resolved(known) for known in over.values()]
        seen |= kept
        self._known = seen
        return signals

    def cursor(self) -> dict[str, Any]:
        """What to remember until the next look."""
        return {"firing": self._known}

    def _repeated(self, signal: Signal, known: Mapping[str, Any]) -> Signal:
        """It fires now, too. `since` tells when it began."""
        return replace(signal, occurred_at=self._now, details={**signal.details, "since": known["since"]})

    def _resolved(self, known: Mapping[str, Any]) -> Signal:
        return Signal(self._source, known["labels"], known["summary"], self._now, firing=False)


def unrepeated(signals: Sequence[Signal]) -> list[Signal]:
    """One signal for each thing: two that have the same labels are one, the later one's words count."""
    return list({signal.fingerprint: signal for signal in signals}.values())


def with_labels(signal: Signal, labels: Mapping[str, str]) -> Signal:
    """The signal with labels added that it does not have."""
    return replace(signal, labels={**labels, **signal.labels})
