"""Intake: signals in, incidents out.

One incident per cause; what was seen before is counted, not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification, Rules
from incident_response.domain.commands import mitigate, open_incident, reopen, set_severity
from incident_response.domain.grouping import Grouping
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.ports import Sighting, Store, Transaction
from incident_response.domain.signals import Signal
from incident_response.domain.silences import MaintenanceWindow

from .foresight import Foresight, foresee
from .gathering import Gathering
from .groups import Group, again, grouped, occurring, sightings
from .muting import Muting
from .placing import Known, Placing
from .policy_book import PolicyBook
from .splitting import Splitting


class Taken(str, Enum):
    """What became of a signal."""

    OPENED = "opened"
    COUNTED = "counted"
    REOPENED = "reopened"
    MITIGATED = "mitigated"
    KNOWN = "known"  # this very happening was dealt with before
    NOTHING_OPEN = "nothing open"  # a resolved signal without an incident
    ATTACHED = "attached"  # a consequence of an incident of something else
    HELD = "held"  # a silence or a maintenance window mutes it; looked at again at its end


@dataclass(frozen=True)
class Receipt:
    """The answer to one signal: its incident (None: none) and the reason."""

    incident: int | None
    reason: Taken


class Intake:
    """Takes signals in. `rules`, `grouping` and `windows` give what is in force."""

    def __init__(
        self,
        store: Store,
        rules: Callable[[], Rules],
        policies: PolicyBook,
        grouping: Callable[[], Grouping] = Grouping,
        windows: Callable[[], Sequence[MaintenanceWindow]] = tuple,
    ) -> None:
        self._store, self._rules, self._policies, self._grouping = store, rules, policies, grouping
        self.muting = Muting(store, windows)
        self.gathering = Gathering(store, policies, grouping)
        self.splitting = Splitting(store, policies, self.classify)

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        """Take signals in, all or none; the answer has their order. Returns only after the commit."""
        if not signals:
            return []
        with self._store.transaction() as tx:
            receipts, opened = self._receive(tx, signals, now)
        if opened:
            self.gathering.gather(opened, now)
        return receipts

    def look_again(self, now: datetime, limit: int = 200) -> int:
        """What nobody may forget: signals whose mute has ended, consequences that outlived their incident.

        They are taken in like new ones. Returns how many.
        """
        with self._store.transaction() as tx:
            due = [one.signal for one in tx.lock_held(now, limit)]
            tx.drop_held([(signal.source, signal.fingerprint) for signal in due])
            held = [signal for signal in due if signal.firing]
            orphans = tx.lock_orphans(limit)
            tx.release(orphans)
            signals = [*held, *(again(orphan) for orphan in orphans)]
            opened = self._receive(tx, signals, now)[1] if signals else []
        if opened:
            self.gathering.gather(opened, now)
        return len(signals)

    def classify(self, signal: Signal) -> Classification:
        """What the rules in force say of a signal, and nothing else."""
        return self._rules().classify(signal, self._grouping().services.name(signal.labels))

    def foresee(self, signal: Signal, now: datetime) -> Foresight:
        """What would become of a firing signal now. Nothing is stored."""
        with self._store.read() as tx:
            found = self.classify(signal)
            return foresee(tx, signal, found, self._policies, self._grouping(), self.muting, now)

    def rules(self) -> Rules:
        """The classification rules in force, in order."""
        return self._rules()

    def _receive(
        self, tx: Transaction, signals: Sequence[Signal], now: datetime
    ) -> tuple[list[Receipt], list[Incident]]:
        rules, services = self._rules(), self._grouping().services
        groups, keys = grouped([(s, rules.classify(s, services.name(s.labels))) for s in signals])
        work = _Work(tx, now)
        self._take(work, groups)
        return [work.taken[key] for key in keys], work.opened

    def _take(self, work: _Work, groups: dict[str, Group]) -> None:
        tx, now = work.tx, work.now
        window = self._policies.for_new(tx, now).reopen_window
        waiting = groups
        # A second round is needed only for those causes that somebody else opened between our look and our
        # insert, and for signals that were split off.
        while waiting:
            current = tx.lock_current(waiting.keys(), now - window)
            waiting, elsewhere = _split(work, waiting, current)
            self._continue(work, {k: (current[k], g) for k, g in waiting.items() if k in current})
            waiting = self._unknown(work, {k: g for k, g in waiting.items() if k not in current})
            waiting |= elsewhere

    def _continue(self, work: _Work, known: Known) -> None:
        """Count signals into incidents that are there; reopen, raise or mitigate where that follows."""
        if not known:
            return
        tx, now = work.tx, work.now
        settled = {k: g for k, (incident, g) in known.items() if not _is_working(incident)}
        seen = tx.seen(fingerprints) if (fingerprints := occurring(settled.values())) else ()
        changes: dict[int, Change] = {}
        rows: list[Sighting] = []
        quiet: dict[int, tuple[str, Incident]] = {}
        for key, (incident, group) in known.items():
            policy = self._policies.of(tx, incident)
            work.taken[key] = Receipt(incident.number, Taken.COUNTED)
            if key in settled:
                news = _news(group, incident, seen, _ended(tx, incident, group))
                if not news:
                    # Every happening in it was dealt with before: what was fixed stays fixed.
                    rows += sightings(incident.number, group.quiet)
                    work.taken[key] = Receipt(incident.number, Taken.KNOWN)
                    continue
                by = f"system:{news[0].source}"
                changes[incident.number] = reopen(incident, policy, by, now, reason=news[0].summary)
                work.taken[key] = Receipt(incident.number, Taken.REOPENED)
            elif group.firing and group.severity.worse_than(incident.severity):
                severity = group.severity
                changes[incident.number] = set_severity(incident, policy, severity, "system:intake", now)
            rows += sightings(incident.number, group.signals)
            if key not in settled and group.quiet and (not incident.event_like or group.proof):
                quiet[incident.number] = (key, incident)
        tx.record(rows)
        still = tx.firing(quiet.keys()) if quiet else {}
        for number, (key, incident) in quiet.items():
            if not still.get(number):
                policy = self._policies.of(tx, incident)
                proof = known[key][1].proof or "All its signals are quiet"
                changes[number] = mitigate(incident, policy, "system:intake", now, proof=proof)
                work.taken[key] = Receipt(number, Taken.MITIGATED)
        if changes:
            tx.save(list(changes.values()))

    def _unknown(self, work: _Work, unknown: dict[str, Group]) -> dict[str, Group]:
        """Causes without an incident of their own; returns those that lost a race and are to be continued."""
        if not unknown:
            return {}
        seen = work.tx.seen(fingerprints) if (fingerprints := occurring(unknown.values())) else ()
        fresh: dict[str, Group] = {}
        over: dict[str, Group] = {}
        for key, group in unknown.items():
            news = tuple(
                s for s in group.firing if not s.occurrence or (s.fingerprint, s.occurrence) not in seen
            )
            if news:
                fresh[key] = replace(group, signals=(*news, *group.quiet))
            else:
                over[key] = group
        placing = Placing(work.tx, self._grouping(), self.muting, work.now)
        self._over(work, placing, over)
        return self._open(work, placing, self._placed(work, placing, fresh)) if fresh else {}

    def _over(self, work: _Work, placing: Placing, over: dict[str, Group]) -> None:
        """What is quiet, or was dealt with before: it may still belong to an incident of another key."""
        merged = placing.merged({key: group for key, group in over.items() if not group.firing})
        self._continue(work, merged)
        quiet = placing.quiet({key: group for key, group in over.items() if key not in merged})
        for key, group in over.items():
            if key in quiet:
                work.taken[key] = Receipt(quiet[key], Taken.ATTACHED)
            elif key not in merged:
                work.taken[key] = Receipt(None, Taken.KNOWN if group.firing else Taken.NOTHING_OPEN)

    def _placed(self, work: _Work, placing: Placing, fresh: dict[str, Group]) -> dict[str, Group]:
        """Give to other incidents what belongs to them; returns what has to open its own."""
        merged = placing.merged(fresh)
        self._continue(work, merged)
        held, left = placing.muted(_without(fresh, merged))
        work.taken.update(dict.fromkeys(held, Receipt(None, Taken.HELD)))
        attached = placing.attach(left)
        work.taken.update({key: Receipt(number, Taken.ATTACHED) for key, number in attached.items()})
        left = _without(left, attached)
        sheltered = placing.shelter(left)
        self._continue(work, sheltered)
        return _without(left, sheltered)

    def _open(self, work: _Work, placing: Placing, fresh: dict[str, Group]) -> dict[str, Group]:
        """Open incidents for new causes; returns the groups that lost a race."""
        if not fresh:
            return {}
        tx, now, grouping = work.tx, work.now, self._grouping()
        policy = self._policies.for_new(tx, now)
        numbers = tx.allocate(len(fresh))
        changes = {
            key: open_incident(
                number, group.signals[0], group.found, policy, now, grouping.quiet(group.found)
            )
            for number, (key, group) in zip(numbers, fresh.items(), strict=True)
        }
        written = set(tx.insert(list(changes.values())))
        opened = {key: c.incident for key, c in changes.items() if c.incident.number in written}
        tx.record(
            [s for key, incident in opened.items() for s in sightings(incident.number, fresh[key].signals)]
        )
        over = placing.over_already({key: (incident, fresh[key]) for key, incident in opened.items()})
        work.opened += opened.values()
        work.taken.update({key: Receipt(i.number, Taken.OPENED) for key, i in opened.items()})
        self._continue(work, over)
        return _without(fresh, opened)


@dataclass
class _Work:
    """One call on its way through: what became of each cause."""

    tx: Transaction
    now: datetime
    taken: dict[str, Receipt] = field(default_factory=dict)
    opened: list[Incident] = field(default_factory=list)


def _without(groups: dict[str, Group], keys: Container[str]) -> dict[str, Group]:
    return {key: group for key, group in groups.items() if key not in keys}


def _split(
    work: _Work, groups: dict[str, Group], current: Mapping[str, Incident]
) -> tuple[dict[str, Group], dict[str, Group]]:
    """Groups without the signals that a person has split off, and those under the key they have now."""
    kept, elsewhere = dict(groups), dict[str, Group]()
    for key, incident in current.items():
        away = [signal for signal in groups[key].signals if signal.fingerprint in incident.split_off]
        if not away:
            continue
        stay = tuple(s for s in groups[key].signals if s.fingerprint not in incident.split_off)
        for signal in away:
            other = incident.split_off[signal.fingerprint]
            before = elsewhere[other].signals if other in elsewhere else ()
            elsewhere[other] = Group(replace(groups[key].found, dedup_key=other), (*before, signal))
        if stay:
            kept[key] = replace(groups[key], signals=stay)
        else:
            del kept[key]
            work.taken[key] = Receipt(incident.number, Taken.COUNTED)
    return kept, elsewhere


def _is_working(incident: Incident) -> bool:
    """True while new signals of its cause are expected: not yet mitigated, not resolved."""
    return incident.status.is_open and incident.status is not Status.MITIGATED


def _is_late_news(
    signal: Signal, event_like: bool, incident: Incident, ended: Mapping[str, datetime]
) -> bool:
    """True for what was before the repair, and is told only now: it says nothing against the repair."""
    if not event_like and not signal.occurrence:
        # A state fires until it is told that it ended, however often it is told; the latest word counts.
        return signal.fingerprint in ended and signal.occurred_at <= ended[signal.fingerprint]
    repaired = incident.mitigated_at or incident.resolved_at
    began = signal.details.get("since")
    at = signal.occurred_at if signal.occurrence or not began else datetime.fromisoformat(str(began))
    return repaired is not None and at < repaired


def _news(
    group: Group,
    incident: Incident,
    seen: Collection[tuple[str, str]],
    ended: Mapping[str, datetime],
) -> tuple[Signal, ...]:
    """The firing signals that say that a repair did not last."""
    return tuple(
        signal
        for signal in group.firing
        if not (signal.occurrence and (signal.fingerprint, signal.occurrence) in seen)
        and not _is_late_news(signal, group.found.event_like, incident, ended)
    )


def _ended(tx: Transaction, incident: Incident, group: Group) -> dict[str, datetime]:
    """By fingerprint: when it was told last, before or in this call, that a thing is over."""
    told = [(s.fingerprint, s.last_at) for s in tx.sightings(incident.number) if not s.firing]
    found: dict[str, datetime] = {}
    for fingerprint, at in (*told, *((s.fingerprint, s.occurred_at) for s in group.quiet)):
        found[fingerprint] = max(at, found.get(fingerprint, at))
    return found
