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
from incident_response.domain.commands import (
    escalate,
    go_on,
    mitigate,
    open_incident,
    reopen,
    set_severity,
)
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.grouping import Grouping, Umbrella, may_move
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store, Witnesses
from incident_response.domain.records import Sighting
from incident_response.domain.signals import Signal
from incident_response.domain.silences import MaintenanceWindow
from incident_response.domain.stops import DETAIL
from incident_response.domain.transactions import Transaction

from .foresight import Foresight, foresee
from .gathering import Gathering
from .groups import Group, again, grouped, joined, occurring, proven, rounds, sightings
from .muting import Muting
from .news import at_work_on_what_waited, decided, is_working, news_of, told_before
from .placing import Known, Placing
from .policy_book import PolicyBook
from .silence_preview import SilencePreview, preview
from .splitting import Splitting
from .witnessing import Found, Nobody, Witnessing

_COMPANY = 50  # of those that opened a moment ago

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
        witnesses: Witnesses | None = None,
    ) -> None:
        self._store, self._rules, self._policies, self._grouping = store, rules, policies, grouping
        self.muting = Muting(store, windows)
        self.gathering = Gathering(store, policies, grouping, self.classify)
        self.splitting = Splitting(store, policies, self.classify)
        self._witnessing = Witnessing(store, rules, grouping, witnesses or Nobody())

    def receive(self, signals: Sequence[Signal], now: datetime) -> list[Receipt]:
        """Take signals in, all or none; the answer has their order. Returns only after the commit."""
        if not signals:
            return []
        grouping = self._grouping()
        # Before the transaction: others wait for its end.
        grouped = self._rounds(self._witnessing.classified(signals, now))
        with self._store.transaction() as tx:
            tx.bar_gathering()
            receipts, risen = self._take_all(tx, grouped, grouping, now)
            owed = self.gathering.owe(tx, risen, now)
        self.gathering.gather(owed, now)
        # Behind those of the signals come those of what follows from witnesses.
        return [receipts[place] for place in range(len(signals))]

    def hear_again(self, now: datetime) -> int:
        """Ask witnesses again about the alerts that fire, once a minute; what they contradict now, or confirm
        now, goes where it belongs. Returns how many did.
        """
        news = self._witnessing.news(now)
        self.receive(news, now)
        return len(news)

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
            rules, services = self._rules(), grouping.services
            named = [(s, rules.classify(s, services.name(s.labels), services)) for s in signals]
            _, risen = self._take_all(tx, self._rounds(named), grouping, now)
            owed = self.gathering.owe(tx, risen, now)
        self.gathering.gather(owed, now)
        return len(signals)

    def classify(self, signal: Signal) -> Classification:
        """What the rules in force say of a signal, and nothing else."""
        services = self._grouping().services
        return self._rules().classify(signal, services.name(signal.labels), services)

    def foresee(self, signal: Signal, now: datetime) -> Foresight:
        """What would become of a firing signal now. Nothing is stored."""
        with self._store.read() as tx:
            found = self.classify(signal)
            return foresee(tx, signal, found, self._policies, self._grouping(), self.muting, now)

    def foresee_silence(self, matchers: Sequence[str], now: datetime) -> SilencePreview:
        """What a silence would mute now. Raises BadInput when it could never mute anything."""
        return preview(self._store, self.classify, self._grouping().services, matchers, now)

    def rules(self) -> Rules:
        """The classification rules in force, in order."""
        return self._rules()

    @staticmethod
    def _rounds(found: Sequence[Found]) -> list[_Round]:
        places_of = rounds([signal for signal, _ in found])
        return [_Round(places, *grouped([found[place] for place in places])) for places in places_of]

    def _take_all(
        self, tx: Transaction, all_rounds: Sequence[_Round], grouping: Grouping, now: datetime
    ) -> tuple[dict[int, Receipt], list[Incident]]:
        """Round by round. The receipts by the signals' places, and what was opened, reopened or raised."""
        receipts: dict[int, Receipt] = {}
        risen: list[Incident] = []
        for places, groups, keys in all_rounds:
            work = _Work(tx, now, Placing(tx, grouping, self.muting, self.classify, now))
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
            if may_move(change.incident) and work.placing.names_cause(group):
                work.risen.append(change.incident)  # what opened it did not say why
            if change.incident.asks and (news_ := self._unstopped(tx, group)):
                change = change.then(
                    partial(go_on, policy=policy, by=f"system:{news_.source}", now=now, reason=news_.summary)
                )
            worse = group.firing and group.severity.worse_than(change.incident.severity)
            if worse and (change.events or not decided(tx, incident, group)):
                change = change.then(partial(_raised, policy=policy, group=group, now=now))
                work.risen.append(change.incident)
            rows += sightings(incident.number, group.signals, now)
            if group.unseen:
                work.placing.lost_sight(incident, group)
            if key not in news and group.quiet:
                quiet[incident.number] = key
            if change.events:
                changes[incident.number] = change
        tx.record(rows)
        still = tx.firing(quiet.keys()) if quiet else {}
        for number, key in quiet.items():
            incident, group = known[key]
            seen = tx.sightings(number)
            if at_work_on_what_waited(incident, seen):
                continue  # it comes to its own end
            if not still.get(number) and proven(incident, group, seen, self.classify):
                policy, proof = self._policies.of(tx, incident), group.proof or "All its signals are quiet"
                changes[number] = changes.get(number, Change(incident)).then(
                    partial(mitigate, policy=policy, by=_BY, now=now, proof=proof)
                )
                work.taken[key] = Receipt(number, Taken.MITIGATED)
        if changes:
            tx.save(list(changes.values()))

    @staticmethod
    def _unstopped(tx: Transaction, group: Group) -> Signal | None:
        """A signal that is new, and of which no person is the cause."""
        found = [signal for signal in group.firing if DETAIL not in signal.details]
        seen = tx.seen({signal.fingerprint for signal in found if signal.occurrence}) if found else ()
        return next((s for s in found if (s.fingerprint, s.occurrence) not in seen), None)

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
        unrelated = placing.together(_without(left, sheltered))
        if unrelated:
            policy = self._policies.for_new(work.tx, work.now)
            sheltered = {**sheltered, **self._umbrella(work, unrelated, policy)}
        if sheltered:
            sheltered = placing.faces(sheltered, self._policies.for_new(work.tx, work.now))
            self._continue(work, sheltered)
        return _without(left, sheltered)

    def _umbrella(
        self, work: _Work, unrelated: tuple[Umbrella, dict[str, Group]], policy: EscalationPolicy
    ) -> Known:
        """An umbrella for many that came in one call, before each of them has an incident of its own."""
        umbrella, groups = unrelated
        members = [
            open_incident(0, group.signals[0], group.found, policy, work.now).incident
            for group in groups.values()
        ]
        parent = self.gathering.raise_umbrella(work.tx, umbrella, members, work.now, behind=0)
        return {key: (parent, group) for key, group in groups.items()} if parent is not None else {}

    def _open(self, work: _Work, fresh: dict[str, Group]) -> dict[str, Group]:
        """Open incidents for new causes; returns the groups that lost a race."""
        if not fresh:
            return {}
        tx, now, grouping = work.tx, work.now, self._grouping()
        policy = self._policies.for_new(tx, now)
        numbers = tx.allocate(len(fresh))
        company = self.gathering.company(tx, min(numbers), now)
        changes: dict[str, Change] = {}
        for number, (key, group) in zip(numbers, fresh.items(), strict=True):
            quiet = grouping.quiet(group.found, work.placing.account(group), company)
            opening = open_incident(number, group.signals[0], group.found, policy, now, quiet, group.stop)
            changes[key] = opening
            company = [*company, opening.incident][-_COMPANY:]
        written = set(tx.insert(list(changes.values())))
        opened = {key: c.incident for key, c in changes.items() if c.incident.number in written}
        tx.record([s for key, i in opened.items() for s in sightings(i.number, fresh[key].signals, now)])
        work.placing.link(opened)
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
