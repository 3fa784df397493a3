"""Placing: where signals go whose cause has no incident of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification
from incident_response.domain.commands import open_incident
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.grounds import Account, Ground
from incident_response.domain.grouping import SEVERAL, Bond, Grouping, Tie, Umbrella
from incident_response.domain.identity import LONGEST, has_parts
from incident_response.domain.incidents import Incident
from incident_response.domain.keys import bounded
from incident_response.domain.merging import merge, took_over
from incident_response.domain.pipeline_signals import is_happening
from incident_response.domain.records import Held, Role, Sighting
from incident_response.domain.severities import Scenario
from incident_response.domain.signals import Signal
from incident_response.domain.silences import Mute
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction
from incident_response.domain.waiting import Waits

from .gathering import counted
from .groups import Group, again, ends, overtook, sightings, told_at
from .linking import link
from .muting import Muting, hold

_EARLY = timedelta(hours=1)  # the end of something is remembered for this long
_MET = ""  # in place of the dedup_key: an end that has met its beginning, told again it is no news
Known = dict[str, tuple[Incident, Group]]


class Placing:
    """One transaction's questions: is it muted, merged, a consequence, or under an umbrella?"""

    def __init__(
        self,
        tx: Transaction,
        grouping: Grouping,
        muting: Muting,
        classify: Callable[[Signal], Classification],
        now: datetime,
    ) -> None:
        self._tx, self._grouping, self._muting, self._now = tx, grouping, muting, now
        self._classify = classify
        self._asked: dict[frozenset[str], Sequence[Incident]] = {}
        self._followed: dict[str, int] = {}  # by key: the incident into which it was merged as a consequence
        self._linked: dict[str, Incident] = {}
        self._waiting: frozenset[str] = frozenset()  # fingerprints of ends of which something waits

    def meet(self, groups: Mapping[str, Group]) -> None:
        """What is muted and of which these tell the end has ended, whichever source tells it."""
        quiet = {s.fingerprint: (key, s) for key, group in groups.items() for s in group.quiet}
        waiting = self._tx.held_of(quiet) if quiet else ()
        self._waiting = frozenset(held.signal.fingerprint for held in waiting)
        over = []
        for held in waiting:
            key, end = quiet[held.signal.fingerprint]
            # An event that goes quiet proves nothing.
            if held.signal.firing and groups[key].proven and ends(end, held.signal):
                over.append((held, Held(end, max(held.until, self._now) + _EARLY, key)))
        if over:
            self._tx.drop_held([(held.signal.source, held.signal.fingerprint) for held, _ in over])
            self._tx.hold([_met(end) for _, end in over])

    def merged(self, groups: Mapping[str, Group]) -> Known:
        """Those whose last incident was merged into an open one as another face of the same trouble."""
        found = self._tx.merged(groups.keys()) if groups else {}
        # Consequences are no other face of it: they are attached, and nothing has to be locked for that.
        follow = {key: n for key, (n, service) in found.items() if self._follows(groups[key], service)}
        self._followed |= follow
        into = {key: n for key, (n, _) in found.items() if key not in follow}
        parents = self._lock_open(into.values())
        known = {key: (parents[n], groups[key]) for key, n in into.items() if n in parents}
        return known | self._held_before({key: g for key, g in groups.items() if key not in found})

    def _held_before(self, groups: Mapping[str, Group]) -> Known:
        """Those of which an open incident has a signal already, by a key that an older version made.

        What is open stays where it is, although its key would say more today: nobody is paged for it again.
        """
        newer = {key: group for key, group in groups.items() if has_parts(key)}
        prints = {s.fingerprint for group in newer.values() for s in group.signals}
        holding = self._tx.holding(prints) if prints else {}
        into = {
            key: number
            for key, group in newer.items()
            if (
                number := next((holding[s.fingerprint] for s in group.signals if s.fingerprint in holding), 0)
            )
        }
        parents = self._lock_open(into.values())
        return {key: (parents[n], newer[key]) for key, n in into.items() if n in parents}

    def muted(self, groups: dict[str, Group]) -> tuple[set[str], dict[str, Group]]:
        """Holds what is silenced; returns the keys that are held whole, and the groups that are left."""
        if not groups or not self._mutes():
            return set(), groups
        held, left = self._muted(groups)
        if held and self._muting.read(self._tx, self._now):
            held, left = self._muted(groups)
        if held:
            self._hold(held)
        return groups.keys() - left.keys(), left

    def _hold(self, muted: Sequence[Held]) -> None:
        """All but those of which the end was told before."""
        waiting = self._tx.held_of({held.signal.fingerprint for held in muted})
        early = {_thing(one.signal): one for one in waiting if not one.signal.firing and one.by != _MET}
        kept = []
        for held in muted:
            end = early.get(_thing(held.signal))
            kept.append(_met(end) if end is not None and overtook(end.signal, held.signal) else held)
        self._tx.hold(kept)

    def _mutes(self) -> Sequence[Mute]:
        return self._muting.now(self._tx, self._now)

    def _muted(self, groups: Mapping[str, Group]) -> tuple[list[Held], dict[str, Group]]:
        all_mutes = self._mutes()
        held = []
        left: dict[str, Group] = {}
        for key, group in groups.items():
            mutes = [(s, self._muting.of(all_mutes, s, group.found, self._now)) for s in group.firing]
            held += [hold(signal, mute) for signal, mute in mutes if mute is not None]
            loud = tuple(signal for signal, mute in mutes if mute is None)
            if loud:
                left[key] = Group(group.found, (*loud, *group.quiet))
        return held, left

    def _early(self, ends_: Sequence[tuple[str, Group, Signal]]) -> list[Held]:
        """Ends of which the beginning may be told later, as they are remembered until then.

        Only of what nothing is known at all: what was known has ended, and what fires after it fires.
        """
        told = [one for one in ends_ if one[2].start and one[2].fingerprint not in self._waiting]
        known = self._tx.known({signal.fingerprint for *_, signal in told}) if told else ()
        early = []
        for key, group, signal in ends_:
            happening = is_happening(signal)
            if not happening and (not signal.start or signal.fingerprint in {*known, *self._waiting}):
                continue
            mute = self._muting.of(self._mutes(), signal, group.found, self._now)
            if mute is None or group.proven:  # else it would take the place of what is muted
                early.append(Held(signal, (mute.until if mute else self._now) + _EARLY, key))
        return early

    def attach(self, groups: Mapping[str, Group]) -> dict[str, int]:
        """Keep consequences with the incident of their cause; returns its number by key."""
        failures = [g for g in groups.values() if g.found.scenario is Scenario.DAG_FAILURE]
        waits = Waits(self._tx.waiting() if failures else ())
        behind = {key: waits.behind(group.firing) for key, group in groups.items()}
        open_ = self._open(groups, frozenset[str]().union(*behind.values()))
        # The keys of effects, so that the timeline tells it once and not with each signal.
        effect = {
            (key, i.number): f"attach:{i.number}:{i.reopenings}:{key}"
            for key, group in groups.items()
            for i in open_
            if i.service in self._grouping.services.upstreams(group.found.service) | behind[key]
        }
        told = self._tx.begun(effect.values()) if effect else ()  # asked for all at once
        ties: dict[str, Tie] = {}
        for key, group in groups.items():
            before = [n for (other, n), name in effect.items() if other == key and name in told]
            followed = [*before, *([self._followed[key]] if key in self._followed else [])]
            found = self._grouping.tie(
                group.found, self.account(group), open_, self._now, followed, waits, behind[key]
            )
            # What waited and is worse opens an incident of its own, and is merged then, with its severity.
            if found is not None and not (
                found.bond is Bond.CAUSE and group.severity.worse_than(found.incident.severity)
            ):
                ties[key] = found
        self._linked |= {key: tie.incident for key, tie in ties.items() if tie.bond is Bond.LINKED}
        attached = {k: (tie.incident, groups[k]) for k, tie in ties.items() if tie.bond is Bond.CAUSE}
        if not attached:
            return {}
        rows = []
        effects = {effect[key, cause.number]: key for key, (cause, _) in attached.items()}
        for name, key in sorted(effects.items()):
            cause, group = attached[key]
            rows += sightings(cause.number, group.signals, self._now, Role.CONSEQUENCE)
            if name in told:
                continue
            if self._tx.begin_effect(name, cause.number, "system:intake", self._now) is None:
                self._tell(cause, group, waited=cause.service in behind[key])
        self._tx.record(rows)
        return {key: cause.number for key, (cause, _) in attached.items()}

    def _tell(self, cause: Incident, group: Group, *, waited: bool) -> None:
        """Once for each service: a thing with a hundred alerts is one line, and the page lists them all."""
        name = f"attach:{cause.number}:{cause.reopenings}:service:{group.found.service}"
        if self._tx.begin_effect(bounded(name, LONGEST), cause.number, "system:intake", self._now) is None:
            self._tx.add_events(cause.number, [self._told(cause, group, waited)])

    def account(self, group: Group) -> Account:
        """What a group stands on."""
        told = ((s, self._classify(s).evidence) for s in group.firing)
        return self._grouping.account(told, [group.found.service])

    def names_cause(self, group: Group) -> bool:
        """True for hard evidence that says which of the services it depends on is out of reach."""
        return group.found.evidence is Ground.HARD and any(self.account(group).told)

    def link(self, opened: Mapping[str, Incident]) -> None:
        """Tell each of these, and the incident upstream that does not explain it, of the other one."""
        for key, incident in opened.items():
            if key in self._linked:
                link(self._tx, incident, self._linked[key], self._now)

    def shelter(self, groups: Mapping[str, Group]) -> Known:
        """Those that come under the incident of a young umbrella."""
        open_ = self._open(groups) if self._grouping.umbrellas else ()
        found = {key: self._grouping.shelter(group.found, open_, self._now) for key, group in groups.items()}
        parents = self._lock_open({incident.number for incident in found.values() if incident is not None})
        return {
            key: (parents[incident.number], groups[key])
            for key, incident in found.items()
            if incident is not None and incident.number in parents
        }

    def together(self, groups: Mapping[str, Group]) -> tuple[Umbrella, dict[str, Group]] | None:
        """Those of this call that are a storm among themselves, and can be the consequence of nothing.

        The others are gathered after they have opened: the cause of some may be among them.
        """
        services = self._grouping.services
        for umbrella in (u for u in self._grouping.umbrellas if u.alerts):
            found = {
                key: group
                for key, group in groups.items()
                if umbrella.covers(group.found.scenario, group.severity, group.found.service)
                and group.firing
                and not services.upstreams(group.found.service)
                and not services.downstreams(group.found.service)
            }
            if umbrella.are_enough([group.found.service for group in found.values()]):
                return umbrella, found
        return None

    def faces(self, sheltered: Known, policy: EscalationPolicy) -> Known:
        """A record for each cause that came under an umbrella: later signals of it, its end above all, find
        the umbrella's incident by it. Returns them with the umbrella's incident as it is then.
        """
        tx, now, by = self._tx, self._now, "system:grouping"
        changes = []
        for number, (parent, group) in zip(tx.allocate(len(sheltered)), sheltered.values(), strict=True):
            signal = (*group.firing, *group.signals)[0]
            opened = open_incident(number, signal, group.found, policy, now)
            face = merge(opened.incident, policy, parent.number, parent.title, by, now)
            changes.append(Change(face.incident, (*opened.events, *face.events)))  # nobody is told of it
            tx.add_events(parent.number, [took_over(opened.incident, parent.title, by, now)])
        tx.insert(changes)
        parents = self._counted(sheltered)
        return {key: (parents[parent.number], group) for key, (parent, group) in sheltered.items()}

    def _counted(self, sheltered: Known) -> dict[int, Incident]:
        """The umbrellas' incidents, which say how much is behind them."""
        parents = {parent.number: parent for parent, _ in sheltered.values()}
        for number, parent in parents.items():
            umbrella = self._grouping.umbrella(parent)
            if umbrella is not None and umbrella.alerts:
                more = sum(other.number == number for other, _ in sheltered.values())
                parents[number] = counted(umbrella, parent, more)
                self._tx.save([Change(parents[number])])
        return parents

    def quiet(self, groups: Mapping[str, Group]) -> dict[str, int]:
        """Quiet signals end consequences; returns the incident of these by key.

        What belongs to nothing waits for a while: that it fired may be told later.
        """
        followed = self.ended(groups)
        found: dict[str, int] = {}
        unknown = []
        for key, group in groups.items():
            for signal in group.quiet:
                number = followed.get(signal.fingerprint)
                if number is not None:
                    found[key] = number
                else:
                    unknown.append((key, group, signal))
        early = self._early(unknown)
        if early:
            self._tx.hold(early)
        return found

    def ended(self, groups: Mapping[str, Group]) -> Mapping[str, int]:
        """End the consequences of which these tell the end; by fingerprint the incident that has them."""
        silent = {s.fingerprint for group in groups.values() for s in group.quiet}
        followed = self._tx.followed(silent) if silent else ()
        rows = []
        for group in groups.values():
            # An event that goes quiet proves nothing, as a consequence no more than by itself.
            for signal in group.quiet if group.proven else ():
                rows += self._end([s for s in followed if s.fingerprint == signal.fingerprint], signal)
        if rows:
            # One row for each key in a call: the latest word.
            latest = {(s.incident, s.source, s.fingerprint): s for s in rows}
            self._tx.record(list(latest.values()))
        return {s.fingerprint: s.incident for s in followed}

    def _end(self, followed: Sequence[Sighting], signal: Signal) -> list[Sighting]:
        """The end for all sources that told of the same thing, and as its own one tells it."""
        at = told_at(signal, self._now)
        ended = [s for s in followed if ends(signal, again(s))]
        others = [replace(s, firing=False, last_at=at, summary=signal.summary, count=0) for s in ended]
        own = {s.incident for s in ended}
        return [*others, *(s for n in own for s in sightings(n, [signal], self._now, Role.CONSEQUENCE))]

    def lost_sight(self, incident: Incident, group: Group) -> None:
        """Tell once for each thing and reason that its source looks no more, which ends nothing."""
        for signal in group.unseen:
            effect = f"unseen:{incident.number}:{incident.reopenings}:{signal.fingerprint}:{signal.unproven}"
            if self._tx.begin_effect(effect, incident.number, "system:intake", self._now) is None:
                text = (
                    f"{signal.summary}: {signal.source} ends it with {signal.unproven}, which proves nothing"
                )
                event = TimelineEvent(self._now, EventKind.SIGNAL, f"system:{signal.source}", text)
                self._tx.add_events(incident.number, [event])

    def over_already(self, opened: Mapping[str, tuple[Incident, Group]]) -> Known:
        """Of the causes opened a moment ago, those of which an end was told before."""
        early = [held.signal for held in self._tx.ended(opened.keys())]
        if not early:
            return {}
        self._tx.drop_held({(s.source, s.fingerprint) for s in early})
        found = {}
        for key, (incident, group) in opened.items():
            begun = {_thing(signal): signal for signal in group.firing}
            over = [s for s in early if (firing := begun.get(_thing(s))) and overtook(s, firing)]
            if over:
                found[key] = (incident, Group(group.found, tuple(over)))
        return found

    def _open(self, groups: Mapping[str, Group], named: frozenset[str] = frozenset()) -> Sequence[Incident]:
        """The open incidents that matter for these groups, asked for once; those of `named` among them."""
        services = {up for g in groups.values() for up in self._grouping.services.upstreams(g.found.service)}
        services |= named
        if self._grouping.umbrellas:
            services.add(SEVERAL)
        wanted = frozenset(services)
        if wanted not in self._asked:
            self._asked[wanted] = self._tx.open_on(wanted) if wanted and groups else ()
        return self._asked[wanted]

    def _lock_open(self, numbers: Collection[int]) -> Mapping[int, Incident]:
        """By number. Somebody may have ended one of them while we waited for it."""
        found = self._tx.lock(set(numbers)) if numbers else {}
        return {number: incident for number, incident in found.items() if incident.status.is_open}

    def _follows(self, group: Group, service: str) -> bool:
        if service in self._grouping.services.upstreams(group.found.service):
            return True
        if group.found.scenario is not Scenario.DAG_FAILURE:
            return False
        # Its own end is told without what it waited for: then what is kept of it says so.
        waits = Waits(self._tx.waiting())
        return service in waits.behind(group.firing) or waits.waited(group.found.service, service)

    def _told(self, cause: Incident, group: Group, waited: bool) -> TimelineEvent:
        found = group.found
        text = f"{found.title}: {found.service} {'waited for' if waited else 'depends on'} {cause.service}"
        data = {"service": found.service, "dedup_key": found.dedup_key, "severity": found.severity.value}
        return TimelineEvent(self._now, EventKind.ATTACHED, "system:intake", text, data)


def _thing(signal: Signal) -> tuple[str, str]:
    """What has one life: a thing as one source tells of it, a happening as all of them do."""
    return ("" if is_happening(signal) else signal.source, signal.fingerprint)


def _met(end: Held) -> Held:
    """An end that has met its beginning. What fires after it fires; a happening is known by its time."""
    return end if is_happening(end.signal) else replace(end, by=_MET)
