"""Intake: signals in, incidents out.

One incident per cause; what was seen before is counted, not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification, Rules
from incident_response.domain.commands import mitigate, open_incident, reopen, set_severity
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.ports import Sighting, Store, Transaction
from incident_response.domain.severities import Severity, worst
from incident_response.domain.signals import Signal

from .policy_book import PolicyBook


class Taken(str, Enum):
    """What became of a signal."""

    OPENED = "opened"
    COUNTED = "counted"
    REOPENED = "reopened"
    MITIGATED = "mitigated"
    KNOWN = "known"  # this very happening was dealt with before
    NOTHING_OPEN = "nothing open"  # a resolved signal without an incident


@dataclass(frozen=True)
class Receipt:
    """The answer to one signal: its incident (None: none) and the reason."""

    incident: int | None
    reason: Taken


@dataclass(frozen=True)
class _Group:
    """The signals of one call that share a cause."""

    found: Classification
    signals: tuple[Signal, ...]

    @cached_property
    def firing(self) -> tuple[Signal, ...]:
        return tuple(signal for signal in self.signals if signal.firing)

    @property
    def severity(self) -> Severity:
        return self.found.severity


class Intake:
    """Takes signals in. `rules` gives the classification rules in force."""

    def __init__(self, store: Store, rules: Callable[[], Rules], policies: PolicyBook) -> None:
        self._store, self._rules, self._policies = store, rules, policies

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        """Take signals in, all or none; the answer has their order. Returns only after the commit."""
        if not signals:
            return []
        rules = self._rules()
        groups, keys = _group([(signal, rules.classify(signal)) for signal in signals])
        with self._store.transaction() as tx:
            taken = self._take(tx, groups, now)
        return [taken[key] for key in keys]

    def _take(self, tx: Transaction, groups: dict[str, _Group], now: datetime) -> dict[str, Receipt]:
        window = self._policies.for_new(tx, now).reopen_window
        taken: dict[str, Receipt] = {}
        waiting = groups
        # A second round is needed only for those causes that somebody else opened between our look and our
        # insert.
        while waiting:
            current = tx.lock_current(waiting.keys(), now - window)
            self._continue(tx, {k: (current[k], g) for k, g in waiting.items() if k in current}, taken, now)
            waiting = self._open(tx, {k: g for k, g in waiting.items() if k not in current}, taken, now)
        return taken

    def _continue(
        self,
        tx: Transaction,
        known: dict[str, tuple[Incident, _Group]],
        taken: dict[str, Receipt],
        now: datetime,
    ) -> None:
        """Count signals into incidents that are there; reopen, raise or mitigate where that follows."""
        settled = {k: g for k, (incident, g) in known.items() if not _is_working(incident)}
        seen = (
            tx.seen({s.fingerprint for g in settled.values() for s in g.firing if s.occurrence})
            if settled
            else ()
        )
        changes: list[Change] = []
        sightings: list[Sighting] = []
        quiet: dict[int, tuple[str, Incident]] = {}
        for key, (incident, group) in known.items():
            fresh = tuple(
                s
                for s in group.firing
                if not s.occurrence
                or ((s.fingerprint, s.occurrence) not in seen and not _is_late_news(s, incident))
            )
            taken[key] = Receipt(incident.number, Taken.COUNTED)
            if key in settled and not fresh:
                # Every happening in it was dealt with before: what was fixed stays fixed.
                taken[key] = Receipt(incident.number, Taken.KNOWN)
                continue
            sightings += _sightings(incident.number, group.signals)
            if key in settled:
                policy = self._policies.of(tx, incident)
                by = f"system:{fresh[0].source}"
                changes.append(reopen(incident, policy, by, now, reason=fresh[0].summary))
                taken[key] = Receipt(incident.number, Taken.REOPENED)
            elif group.firing and group.severity.worse_than(incident.severity):
                policy = self._policies.of(tx, incident)
                changes.append(set_severity(incident, policy, group.severity, "system:intake", now))
            elif not group.firing and (not incident.event_like or _proof(group)):
                quiet[incident.number] = (key, incident)
        tx.record(sightings)
        still = tx.firing(quiet.keys()) if quiet else {}
        for number, (key, incident) in quiet.items():
            if not still.get(number):
                policy = self._policies.of(tx, incident)
                proof = _proof(known[key][1]) or "All its signals are quiet"
                changes.append(mitigate(incident, policy, "system:intake", now, proof=proof))
                taken[key] = Receipt(number, Taken.MITIGATED)
        if changes:
            tx.save(changes)

    def _open(
        self, tx: Transaction, unknown: dict[str, _Group], taken: dict[str, Receipt], now: datetime
    ) -> dict[str, _Group]:
        """Open incidents for new causes; returns the groups that lost a race and have to be continued
        instead.
        """
        seen = (
            tx.seen({s.fingerprint for g in unknown.values() for s in g.firing if s.occurrence})
            if unknown
            else ()
        )
        fresh: dict[str, _Group] = {}
        for key, group in unknown.items():
            news = tuple(
                s for s in group.firing if not s.occurrence or (s.fingerprint, s.occurrence) not in seen
            )
            if news:
                fresh[key] = replace(group, signals=news)
            else:
                taken[key] = Receipt(None, Taken.KNOWN if group.firing else Taken.NOTHING_OPEN)
        if not fresh:
            return {}
        policy = self._policies.for_new(tx, now)
        numbers = tx.allocate(len(fresh))
        changes = {
            key: open_incident(number, group.signals[0], group.found, policy, now)
            for number, (key, group) in zip(numbers, fresh.items(), strict=True)
        }
        written = set(tx.insert(list(changes.values())))
        opened = {key: c.incident.number for key, c in changes.items() if c.incident.number in written}
        tx.record([s for key, number in opened.items() for s in _sightings(number, fresh[key].signals)])
        taken.update({key: Receipt(number, Taken.OPENED) for key, number in opened.items()})
        return {key: group for key, group in fresh.items() if key not in opened}


def _is_working(incident: Incident) -> bool:
    """True while new signals of its cause are expected: not yet mitigated, not resolved."""
    return incident.status.is_open and incident.status is not Status.MITIGATED


def _is_late_news(signal: Signal, incident: Incident) -> bool:
    """True for a happening from before the repair, told only now: it says nothing against the repair."""
    repaired = incident.mitigated_at or incident.resolved_at
    return repaired is not None and signal.occurred_at < repaired


def _proof(group: _Group) -> str:
    """What a source that has looked says: the same run is green. Going quiet alone proves nothing."""
    return next((str(s.details["proof"]) for s in group.signals if s.details.get("proof")), "")


def _group(classified: Sequence[tuple[Signal, Classification]]) -> tuple[dict[str, _Group], list[str]]:
    """By dedup_key, in order of arrival; the worst severity of a group counts."""
    gathered: dict[str, tuple[list[Classification], list[Signal]]] = {}
    for signal, found in classified:
        findings, signals = gathered.setdefault(found.dedup_key, ([], []))
        findings.append(found)
        signals.append(signal)
    groups = {key: _Group(_worst(findings), tuple(signals)) for key, (findings, signals) in gathered.items()}
    return groups, [found.dedup_key for _, found in classified]


def _worst(findings: Sequence[Classification]) -> Classification:
    """The first one, with the worst severity of all."""
    first, severity = findings[0], worst(found.severity for found in findings)
    return first if severity is first.severity else replace(first, severity=severity)


def _sightings(incident: int, signals: Sequence[Signal]) -> list[Sighting]:
    """One row per (source, fingerprint); repeats within the call add up, the latest one's words count."""
    rows: dict[tuple[str, str], Sighting] = {}
    for signal in sorted(signals, key=lambda s: s.occurred_at):
        key = (signal.source, signal.fingerprint)
        before = rows.get(key)
        repeated = before is not None and signal.occurrence != "" and before.occurrence == signal.occurrence
        rows[key] = Sighting(
            incident=incident,
            source=signal.source,
            fingerprint=signal.fingerprint,
            labels=signal.labels,
            summary=signal.summary,
            firing=signal.firing,
            first_at=before.first_at if before else signal.occurred_at,
            last_at=signal.occurred_at,
            count=(before.count if before else 0) + (0 if repeated else 1),
            occurrence=signal.occurrence,
            details=signal.details,
        )
    return list(rows.values())
