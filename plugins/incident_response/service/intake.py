"""Intake: signals in, incidents out.

One incident per cause; what was seen before is counted, not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import NamedTuple

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification, Rules
from incident_response.domain.commands import escalate, mitigate, open_incident, reopen, set_severity
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.grouping import Grouping
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.records import Sighting
from incident_response.domain.signals import Signal
from incident_response.domain.silences import MaintenanceWindow
from incident_response.domain.transactions import Transaction

from .foresight import Foresight, foresee
from .gathering import Gathering
from .groups import Group, again, grouped, joined, occurring, proven, rounds, sightings
from .muting import Muting
from .news import decided, is_working, news_of, told_before
from .placing import Known, Placing
from .policy_book import PolicyBook
from .splitting import Splitting

_BY = "system:intake"
_MOMENT = timedelta(microseconds=1)  # between two words on one thing in one call


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
        self.gathering = Gathering(store, policies, grouping, self.classify)
        self.splitting = Splitting(store, policies, self.classify)

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        """Take signals in, all or none; the answer has their order. Returns only after the commit."""
        if not signals:
            return []
        grouping = self._grouping()
        grouped = self._grouped(signals, grouping)  # before the transaction: others wait for its end
        with self._store.transaction() as tx:
            tx.bar_gathering()
            receipts, risen = self._take_all(tx, grouped, grouping, now)
            owed = self.gathering.owe(tx, risen, now)
        self.gathering.gather(owed, now)
        return [receipts[place] for place in range(len(signals))]

    def look_again(self, now: datetime, limit: int = 200) -> int:
        """What nobody may forget: signals whose mute has ended, consequences that outlived their incident.

        They are taken in like new ones. Returns how many.
        """
        self.gathering.gather_owed(now)
        with self._store.transaction() as tx:
            tx.bar_gathering()
            due = [one.signal for one in tx.lock_held(now, limit)]
            tx.drop_held([(signal.source, signal.fingerprint) for signal in due])
            held = [signal for signal in due if signal.firing]
            orphans = tx.lock_orphans(limit)
            tx.release(orphans)
            signals = [*held, *(again(orphan) for orphan in orphans)]
            grouping = self._grouping()
            _, risen = self._take_all(tx, self._grouped(signals, grouping), grouping, now)
            owed = self.gathering.owe(tx, risen, now)
        self.gathering.gather(owed, now)
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

    def _grouped(self, signals: Sequence[Signal], grouping: Grouping) -> list[_Round]:
        rules, services = self._rules(), grouping.services
        found = [(s, rules.classify(s, services.name(s.labels))) for s in signals]
        return [_Round(places, *grouped([found[place] for place in places])) for places in rounds(signals)]

    def _take_all(
        self, tx: Transaction, all_rounds: Sequence[_Round], grouping: Grouping, now: datetime
    ) -> tuple[dict[int, Receipt], list[Incident]]:
        """Round by round. The receipts by the signals' places, and what was opened, reopened or raised."""
        receipts: dict[int, Receipt] = {}
        risen: list[Incident] = []
        for places, groups, keys in all_rounds:
            work = _Work(tx, now, Placing(tx, grouping, self.muting, now))
            work.placing.meet(groups)
            self._take(work, groups)
            receipts |= {place: work.taken[key] for place, key in zip(places, keys, strict=True)}
            risen += work.risen
            now += _MOMENT
        return receipts, risen

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
            unknown = {k: g for k, g in waiting.items() if k not in current}
            waiting = joined(self._unknown(work, unknown), elsewhere) if unknown else elsewhere

    def _continue(self, work: _Work, known: Known) -> None:
        """Count signals into incidents that are there; reopen, raise or mitigate where that follows."""
        if not known:
            return
        tx, now = work.tx, work.now
        news = self._news(work, known)
        changes: dict[int, Change] = {}  # several causes may have one incident: each command follows the last
        rows: list[Sighting] = []
        quiet: dict[int, str] = {}
        for key, (incident, group) in known.items():
            policy = self._policies.of(tx, incident)
            change = changes.get(incident.number, Change(incident))
            work.taken.setdefault(key, Receipt(incident.number, Taken.COUNTED))
            if key in news and not news[key]:
                # Every happening in it was dealt with before, or is looked at somewhere else.
                rows += sightings(incident.number, group.quiet, now)
                continue
            if key in news and not is_working(change.incident):
                first = news[key][0]
                change = change.then(
                    partial(reopen, policy=policy, by=f"system:{first.source}", now=now, reason=first.summary)
                )
                work.taken[key] = Receipt(incident.number, Taken.REOPENED)
                work.risen.append(change.incident)
            worse = group.firing and group.severity.worse_than(change.incident.severity)
            if worse and (change.events or not decided(tx, incident, group)):
                change = change.then(partial(_raised, policy=policy, group=group, now=now))
                work.risen.append(change.incident)
            rows += sightings(incident.number, group.signals, now)
            if key not in news and group.quiet:
                quiet[incident.number] = key
            if change.events:
                changes[incident.number] = change
        tx.record(rows)
        still = tx.firing(quiet.keys()) if quiet else {}
        for number, key in quiet.items():
            incident, group = known[key]
            if not still.get(number) and proven(incident, group, tx.sightings(number), self.classify):
                policy, proof = self._policies.of(tx, incident), group.proof or "All its signals are quiet"
                changes[number] = changes.get(number, Change(incident)).then(
                    partial(mitigate, policy=policy, by=_BY, now=now, proof=proof)
                )
                work.taken[key] = Receipt(number, Taken.MITIGATED)
        if changes:
            tx.save(list(changes.values()))

    def _news(self, work: _Work, known: Known) -> dict[str, tuple[Signal, ...]]:
        """By key of what is mitigated or resolved: the signals that say that it did not last.

        What is over reopens for nothing that is muted, or a consequence of something else: it is placed here.
        """
        tx = work.tx
        settled = {k: both for k, both in known.items() if not is_working(both[0])}
        if not settled:
            return {}
        seen = tx.seen(found) if (found := occurring(group for _, group in settled.values())) else ()
        news = {k: news_of(g, i, seen, told_before(tx, i, g)) for k, (i, g) in settled.items()}
        work.taken.update({k: Receipt(settled[k][0].number, Taken.KNOWN) for k in news if not news[k]})
        over = {k: g for k, (i, g) in settled.items() if not i.status.is_open}
        work.placing.ended(over)
        fresh = {k: Group(group.found, news[k]) for k, group in over.items() if news[k]}
        held, left = work.placing.muted(fresh)
        attached = work.placing.attach(left)
        work.taken.update(dict.fromkeys(held, Receipt(None, Taken.HELD)))
        work.taken.update({k: Receipt(number, Taken.ATTACHED) for k, number in attached.items()})
        return news | dict.fromkeys([*held, *attached], ())

    def _unknown(self, work: _Work, groups: dict[str, Group]) -> dict[str, Group]:
        """Causes without an incident of their own.

        Returns those to be looked at once more: they lost a race, or were split off from their incident.
        """
        unknown, elsewhere = self._merged(work, groups)
        if not unknown:
            return elsewhere
        seen = work.tx.seen(fingerprints) if (fingerprints := occurring(unknown.values())) else ()
        fresh: dict[str, Group] = {}
        over: dict[str, Group] = {}
        for key, group in unknown.items():
            news = tuple(
                s for s in group.firing if not s.occurrence or (s.fingerprint, s.occurrence) not in seen
            )
            if news:
                fresh[key] = Group(group.found, (*news, *group.quiet))
            else:
                over[key] = group
        self._over(work, over)
        return joined(elsewhere, self._open(work, self._placed(work, fresh))) if fresh else elsewhere

    def _merged(self, work: _Work, groups: dict[str, Group]) -> tuple[dict[str, Group], dict[str, Group]]:
        """Continue those that were merged; returns the others, and what was split off since."""
        merged = work.placing.merged(groups)
        parents = {key: incident for key, (incident, _) in merged.items()}
        kept, elsewhere = _split(work, {key: group for key, (_, group) in merged.items()}, parents)
        self._continue(work, {key: (parents[key], group) for key, group in kept.items()})
        return _without(groups, merged), elsewhere

    def _over(self, work: _Work, over: dict[str, Group]) -> None:
        """What is quiet, or was dealt with before: it may still be the end of a consequence."""
        quiet = work.placing.quiet(over)
        for key, group in over.items():
            reason = Taken.KNOWN if group.firing else Taken.NOTHING_OPEN
            found = Receipt(quiet[key], Taken.ATTACHED) if key in quiet else Receipt(None, reason)
            work.taken[key] = found

    def _placed(self, work: _Work, fresh: dict[str, Group]) -> dict[str, Group]:
        """Give to other incidents what belongs to them; returns what has to open its own."""
        placing = work.placing
        held, left = placing.muted(fresh)
        work.taken.update(dict.fromkeys(held, Receipt(None, Taken.HELD)))
        attached = placing.attach(left)
        work.taken.update({key: Receipt(number, Taken.ATTACHED) for key, number in attached.items()})
        left = _without(left, attached)
        sheltered = placing.shelter(left)
        if sheltered:
            placing.faces(sheltered, self._policies.for_new(work.tx, work.now))
            self._continue(work, sheltered)
        return _without(left, sheltered)

    def _open(self, work: _Work, fresh: dict[str, Group]) -> dict[str, Group]:
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
        tx.record([s for key, i in opened.items() for s in sightings(i.number, fresh[key].signals, now)])
        over = work.placing.over_already({key: (incident, fresh[key]) for key, incident in opened.items()})
        work.risen += opened.values()
        work.taken.update({key: Receipt(i.number, Taken.OPENED) for key, i in opened.items()})
        self._continue(work, over)
        return _without(fresh, opened)


class _Round(NamedTuple):
    """Signals that are taken in at once: their places in the call, by cause, and the cause of each."""

    places: list[int]
    groups: dict[str, Group]
    keys: list[str]


@dataclass
class _Work:
    """One call on its way through: what became of each cause."""

    tx: Transaction
    now: datetime
    placing: Placing
    taken: dict[str, Receipt] = field(default_factory=dict)
    risen: list[Incident] = field(default_factory=list)  # opened, reopened or raised


def _raised(incident: Incident, policy: EscalationPolicy, group: Group, now: datetime) -> Change:
    """It is told again, worse: people are paged, also those whom only the worse one calls."""
    # What stands for many keeps its own words.
    title = group.found.title if group.found.dedup_key == incident.dedup_key else ""
    change = set_severity(incident, policy, group.severity, _BY, now, title=title)
    if group.found.level <= incident.level:
        return change
    reason = f"severity raised to {group.severity.value}"
    return change.then(lambda i: escalate(i, policy, _BY, now, to=group.found.level, reason=reason))


def _without(groups: dict[str, Group], keys: Container[str]) -> dict[str, Group]:
    return {key: group for key, group in groups.items() if key not in keys}


def _split(
    work: _Work, groups: dict[str, Group], current: Mapping[str, Incident]
) -> tuple[dict[str, Group], dict[str, Group]]:
    """Groups without the signals that a person has split off, and those under the key they have now."""
    kept, elsewhere = groups, dict[str, Group]()
    for key, incident in current.items():
        if not incident.split_off:
            continue
        # What was split off and merged again is back at its own key.
        split = {print_: other for print_, other in incident.split_off.items() if other != key}
        away = [signal for signal in groups[key].signals if signal.fingerprint in split]
        if not away:
            continue
        kept = dict(kept)
        stay = tuple(s for s in groups[key].signals if s.fingerprint not in split)
        for signal in away:
            other = split[signal.fingerprint]
            before = elsewhere[other].signals if other in elsewhere else ()
            elsewhere[other] = Group(replace(groups[key].found, dedup_key=other), (*before, signal))
        if stay:
            kept[key] = Group(groups[key].found, stay)
        else:
            del kept[key]
            work.taken[key] = Receipt(incident.number, Taken.COUNTED)
    return kept, elsewhere
