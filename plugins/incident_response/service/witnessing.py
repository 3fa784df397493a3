"""Witnessing: direct witnesses are heard before an alert is believed, and again while it fires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from incident_response.domain.classification import Classification, Rules
from incident_response.domain.grouping import Grouping
from incident_response.domain.ports import Store, Witnesses
from incident_response.domain.records import Sighting
from incident_response.domain.signals import Signal
from incident_response.domain.witnesses import DIRECT, WITNESS, Witnessed, Word, heard, together

from .groups import again

Found = tuple[Signal, Classification]
_EVERY = timedelta(minutes=1)  # witnesses of what fires are heard again


class Nobody:
    """Where nobody can be asked: a task that fails, a game of the past. Alerts are taken at their word."""

    def ask(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        """Nothing."""
        return {}

    def pages(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        """None."""
        return {}


class Witnessing:
    """Asks before the transaction of the intake begins: a witness that hangs holds no lock."""

    def __init__(
        self,
        store: Store,
        rules: Callable[[], Rules],
        grouping: Callable[[], Grouping],
        witnesses: Witnesses,
    ) -> None:
        self._store, self._rules, self._grouping, self._witnesses = store, rules, grouping, witnesses
        self._heard_at: datetime | None = None

    def classified(self, signals: Sequence[Signal], now: datetime) -> list[Found]:
        """What the rules make of each signal and of what witnesses say; then, at the end, what follows from a
        changed word: the alert ends in the incident in which it fired until now.
        """
        rules, services = self._rules(), self._grouping().services
        names = [services.name(signal.labels) for signal in signals]
        asked = {n: q for n, s in enumerate(signals) if (q := _asks(rules, s, names[n]))}
        if not asked:
            return [(s, rules.classify(s, name, services)) for s, name in zip(signals, names, strict=True)]
        signals = self._told(signals, asked, now)
        found = [(s, rules.classify(s, name, services)) for s, name in zip(signals, names, strict=True)]
        return self._moved(found, asked, names, now)

    def news(self, now: datetime) -> list[Signal]:
        """The alerts that fire, of which witnesses now say something else than when they were taken in."""
        if self._heard_at is not None and now - self._heard_at < _EVERY:
            return []
        self._heard_at = now
        rules, services = self._rules(), self._grouping().services
        doubted = rules.doubted()
        if not doubted:
            return []
        firing: list[Signal] = []
        with self._store.read() as tx:
            for incident in tx.open_on(services.names):
                if incident.rule in doubted:
                    firing += [again(s) for s in tx.sightings(incident.number) if s.firing]
        asked = {n: q for n, s in enumerate(firing) if (q := _asks(rules, s, services.name(s.labels)))}
        told = self._told(firing, asked, now) if asked else []
        return [
            replace(after, occurred_at=now)
            for n, (before, after) in enumerate(zip(firing, told, strict=bool(asked)))
            if n in asked and _changed(before, after)
        ]

    def _told(
        self, signals: Sequence[Signal], asked: Mapping[int, tuple[str, ...]], now: datetime
    ) -> list[Signal]:
        """The signals with what witnesses say in their details; what has ended is not asked for."""
        wanted = {name for n, names in asked.items() if signals[n].firing for name in names}
        said = self._witnesses.ask(sorted(wanted), now) if wanted else {}
        told = list(signals)
        for n, names in asked.items():
            if signals[n].firing:
                words = [said[name] for name in names if name in said]
                if not words and WITNESS in signals[n].details:
                    continue  # told again as it was taken in
                word = together(words)
                kept = {"word": word.word.value, "said": word.text}
                told[n] = replace(signals[n], details={**signals[n].details, WITNESS: kept})
        return told

    def _moved(
        self, found: list[Found], asked: Iterable[int], names: Sequence[str | None], now: datetime
    ) -> list[Found]:
        """`found`, changed where an alert fires in the incident that its other word leads to."""
        more: list[Found] = []
        for n in asked:
            signal, decision = found[n]
            others = {other.dedup_key: other for other in self._words(signal, names[n])}
            holding = self._holding(signal, [decision, *others.values()])
            away = [others[key] for key in holding if key != decision.dedup_key]
            if not away:
                continue
            if signal.firing:
                found[n] = (replace(signal, occurred_at=max(signal.occurred_at, now)), decision)
            elif decision.dedup_key not in holding:
                found[n] = (signal, away.pop(0))  # it ends where it fired
            more += [(_end(signal, now), other) for other in away]
        return [*found, *more]

    def _words(self, signal: Signal, name: str | None) -> Iterable[Classification]:
        """What it is by each word a witness may say."""
        rules, services = self._rules(), self._grouping().services
        for word in Word:
            details = {**signal.details, WITNESS: {"word": word.value}}
            yield rules.classify(replace(signal, details=details), name, services)

    def _holding(self, signal: Signal, decisions: Sequence[Classification]) -> list[str]:
        """Of these causes the keys of those in whose open incident the alert fires."""
        keys = {one.dedup_key for one in decisions}
        with self._store.read() as tx:
            open_ = tx.open_on({one.service for one in decisions})
            numbers = {
                incident.dedup_key: incident.number for incident in open_ if incident.dedup_key in keys
            }
            merged = {key: number for key, (number, _) in tx.merged(keys - numbers.keys()).items()}
            return [
                key
                for key, number in (numbers | merged).items()
                if any(_is_of(seen, signal) for seen in tx.sightings(number))
            ]


def _asks(rules: Rules, signal: Signal, name: str | None) -> tuple[str, ...]:
    return () if signal.source in DIRECT else rules.asks(signal, name)


def _changed(before: Signal, after: Signal) -> bool:
    """Silence says nothing new: what a witness said last holds until one says something else."""
    word = heard(after.source, after.details)
    return word is not Word.UNKNOWN and word is not heard(before.source, before.details)


def _is_of(seen: Sighting, signal: Signal) -> bool:
    return seen.firing and (seen.source, seen.fingerprint) == (signal.source, signal.fingerprint)


def _end(signal: Signal, now: datetime) -> Signal:
    """Here it is over: the alert is about something else."""
    kept = signal.details.get(WITNESS) or {}
    details = {**signal.details, "proof": str(kept.get("said") or "its alert has ended")}
    return replace(signal, firing=False, occurred_at=max(signal.occurred_at, now), details=details)
