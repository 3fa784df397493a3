"""Grouping: many incidents, one cause. What depends on what is broken, and what fails all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from .classification import Classification, is_about_rule
from .exercises import is_exercise
from .grounds import SYMPTOM, Account, Ground, account
from .identity import DEDUP_VERSION
from .incidents import Incident, Status
from .services import ServiceMap
from .severities import Scenario, Severity, worst
from .signals import Signal
from .waiting import Waits

SEVERAL = "several"  # the service of an umbrella's incident
_NOBODY = Waits()
_NOTHING: Mapping[int, frozenset[str]] = {}


@dataclass(frozen=True)
class Umbrella:
    """A rule for many services that fail at once: one incident stands for all of them."""

    name: str
    services: int  # this many different ones …
    within: timedelta  # … in this time
    severity: Severity  # at least; a worse member raises it
    title: str  # may name {count}
    scenario: Scenario | None = None  # None: whatever the trouble
    runbook: str | None = None
    level: int = 1
    alerts: int | None = None  # … or this many different causes, of one service or of none

    @property
    def dedup_key(self) -> str:
        """Of its incident."""
        scenario = (self.scenario or Scenario.OTHER).value
        return f"{DEDUP_VERSION}:{scenario}:umbrella:{self.name}"

    def covers(self, scenario: Scenario, severity: Severity, service: str = "") -> bool:
        """True when an incident may stand under it: what is worse than the umbrella is never hidden by it.

        An exercise stands on its own, and counts for nothing.
        """
        if is_exercise(service):
            return False
        return self.scenario in (None, scenario) and not severity.worse_than(self.severity)

    def count(self, members: Sequence[Incident]) -> int:
        """What its title counts."""
        return len(members) if self.alerts else len({member.service for member in members})

    def titled(self, count: int) -> str:
        """Its title with so many behind it."""
        return self.title.replace("{count}", f"{count:,}")

    def are_enough(self, services: Sequence[str]) -> bool:
        """True when incidents of these services, one each, are what it stands for."""
        return len(set(services)) >= self.services or (
            self.alerts is not None and len(services) >= self.alerts
        )

    def classification(self, members: Sequence[Incident]) -> Classification:
        """What its incident is."""
        return Classification(
            rule=f"umbrella: {self.name}",
            severity=worst([self.severity, *(member.severity for member in members)]),
            scenario=self.scenario or Scenario.OTHER,
            service=SEVERAL,
            dedup_key=self.dedup_key,
            title=self.titled(self.count(members)),
            runbook=self.runbook,
            level=self.level,
            event_like=any(member.event_like for member in members),
        )


class Bond(str, Enum):
    """What an open incident upstream is to trouble further down."""

    CAUSE = "cause"  # the trouble is its consequence: kept with it, and nobody is paged
    LINKED = "linked"  # perhaps, but the trouble has evidence of its own: both are worked on


@dataclass(frozen=True)
class Tie:
    """An incident upstream, and what it is."""

    incident: Incident
    bond: Bond


@dataclass(frozen=True)
class Grouping:
    """The whole of include/policy/services.yaml."""

    services: ServiceMap = field(default_factory=ServiceMap)
    umbrellas: tuple[Umbrella, ...] = ()
    wait: timedelta = timedelta()  # before the first page of what may turn out to be a consequence
    window: timedelta = timedelta(minutes=15)  # consequences seen this long before their cause are its own
    explains: timedelta = timedelta(hours=2)  # an incident that is open for longer explains nothing new

    def with_edges(self, edges: Iterable[tuple[str, str]]) -> Grouping:
        """The same with further (upstream, downstream) pairs of services."""
        return replace(self, services=self.services.with_edges(edges))

    def quiet(
        self, found: Classification, account: Account = SYMPTOM, company: Sequence[Incident] = ()
    ) -> timedelta:
        """How long nobody is told of a new incident. P1 waits for nothing, nor what no cause explains.

        `company` opened within the last minute: what comes after them may be one of a storm, and is no worse.
        """
        if found.severity is Severity.P1:
            return timedelta()
        umbrellas = (u for u in self.umbrellas if u.scenario is not None)
        together = any(
            umbrella.covers(found.scenario, found.severity, found.service) for umbrella in umbrellas
        )
        follows = account.may_follow(self.services.upstreams(found.service))
        return self.wait if together or follows or self._is_one_of(found, company) else timedelta()

    def _is_one_of(self, found: Classification, company: Sequence[Incident]) -> bool:
        return any(
            umbrella.covers(found.scenario, found.severity, found.service)
            and umbrella.covers(other.scenario, other.severity, other.service)
            and not found.severity.worse_than(other.severity)
            for umbrella in self.umbrellas
            for other in company
        )

    def umbrella(self, incident: Incident) -> Umbrella | None:
        """The rule whose incident this is."""
        return next((u for u in self.umbrellas if _is_of(u, incident)), None)

    def tie(
        self,
        found: Classification,
        account: Account,
        open_: Iterable[Incident],
        now: datetime,
        followed: Collection[int] = (),
        waits: Waits = _NOBODY,
        behind: frozenset[str] = frozenset(),
    ) -> Tie | None:
        """What explains this, or what it is linked to; None: nothing that it depends on is in trouble.

        `followed` are the incidents of which the same cause was a consequence before, `behind` the DAGs whose
        runs it waited for in vain: that is its cause, also when this is worse. What waited for this is none.
        """
        known = list(open_)
        if named := waits.cause(behind, known):
            return Tie(named, Bond.CAUSE)
        others = [incident for incident in known if not waits.waited(incident.service, found.service)]
        upstreams = self.services.upstreams(found.service)
        return self._tie(upstreams, found.severity, account, others, now, followed)

    def _tie(
        self,
        upstreams: frozenset[str],
        severity: Severity,
        account: Account,
        open_: Iterable[Incident],
        now: datetime,
        followed: Collection[int] = (),
    ) -> Tie | None:
        # A P4 is a remark, and what is about a rule, is no trouble of the thing: they explain nothing.
        above = [
            i
            for i in open_
            if i.service in upstreams and i.severity is not Severity.P4 and not is_about_rule(i.dedup_key)
        ]
        causes = [
            incident
            for incident in above
            if _is_working(incident)
            and not severity.worse_than(incident.severity)  # none hides what is worse
            and self._explains(incident, account, now, followed)
        ]
        if cause := self._deepest(causes):
            return Tie(cause, Bond.CAUSE)
        linked = self._deepest(above)
        return Tie(linked, Bond.LINKED) if linked else None

    def _explains(
        self, incident: Incident, account: Account, now: datetime, followed: Collection[int]
    ) -> bool:
        """Hard evidence follows from what its own error names, a symptom from what it depends on."""
        if incident.number in followed and (account.is_silent or not account.hard):
            return True  # once more the same
        if now - incident.started_at > self.explains:
            return False  # what began so much later has another reason
        return account.names(incident.service) if account.hard else True

    def _deepest(self, causes: Sequence[Incident]) -> Incident | None:
        """The one that no other explains."""
        names = {cause.service for cause in causes}
        deepest = [cause for cause in causes if not self.services.upstreams(cause.service) & names]
        return min(deepest or causes, key=lambda incident: incident.number, default=None)

    def ties(
        self,
        open_: Sequence[Incident],
        account: Callable[[Incident], Account],
        now: datetime,
        waits: Waits = _NOBODY,
        behind: Mapping[int, frozenset[str]] = _NOTHING,
    ) -> list[tuple[Incident, Tie]]:
        """What ties open incidents to each other, for those that opened or reopened within the window.

        `behind`: by number, the DAGs whose runs explain all that an incident tells (Waits.behind).
        """
        found = []
        for incident in open_:
            alone = not behind.get(incident.number) and not self._above(incident, open_)
            if now - incident.started_at > self.window or alone:
                continue
            names = behind.get(incident.number, frozenset())
            others = [other for other in open_ if other.number != incident.number]
            tie = self.tie(_as_found(incident), account(incident), others, now, waits=waits, behind=names)
            named = tie is not None and tie.incident.service in names
            if tie is None or (self._leads(incident, tie.incident) and not named):
                continue
            if tie.bond is Bond.LINKED or may_move(incident):
                found.append((incident, tie))
        moved = {incident.number for incident, tie in found if tie.bond is Bond.CAUSE}
        # A cause that is itself a consequence: its own cause takes both, because upstreams are transitive.
        return [
            (incident, tie)
            for incident, tie in found
            if tie.bond is Bond.LINKED or tie.incident.number not in moved
        ]

    def _above(self, incident: Incident, open_: Sequence[Incident]) -> bool:
        """False for what has nothing to be tied to: then nobody has to look at its signals."""
        upstreams = self.services.upstreams(incident.service)
        return any(other.service in upstreams for other in open_)

    def _leads(self, incident: Incident, cause: Incident) -> bool:
        """True for the older one of two that depend on each other: a circle has one cause, not none."""
        circle = incident.service in self.services.upstreams(cause.service)
        other_way = circle and may_move(cause) and not cause.severity.worse_than(incident.severity)
        return other_way and incident.number < cause.number

    def cause_of_all(
        self,
        umbrella: Incident,
        services: set[str],
        account: Account,
        open_: Iterable[Incident],
        now: datetime,
    ) -> Incident | None:
        """The open incident that explains all services under an umbrella's incident, None: there is none."""
        if not services or not may_move(umbrella) or now - umbrella.opened_at > self.window:
            return None
        shared = frozenset.intersection(*(self.services.upstreams(name) for name in services))
        tie = self._tie(shared, umbrella.severity, account, open_, now)
        return tie.incident if tie is not None and tie.bond is Bond.CAUSE else None

    def account(self, told: Iterable[tuple[Signal, Ground]], services: Collection[str]) -> Account:
        """What firing signals about these services stand on, and whom of what they depend on they name."""
        upstreams = frozenset[str]().union(*(self.services.upstreams(name) for name in services))
        return account(told, self.services, upstreams)

    def standing(self, umbrella: Umbrella, open_: Iterable[Incident], now: datetime) -> Incident | None:
        """Its open incident while that is young, and takes in single ones; None when there is none."""
        return next(
            (
                incident
                for incident in open_
                if _is_of(umbrella, incident) and now - incident.opened_at <= umbrella.within
            ),
            None,
        )

    def shelter(self, found: Classification, open_: Sequence[Incident], now: datetime) -> Incident | None:
        """The young umbrella incident under which this comes."""
        covering = (u for u in self.umbrellas if u.covers(found.scenario, found.severity, found.service))
        return next((i for u in covering if (i := self.standing(u, open_, now)) is not None), None)

    def under(self, umbrella: Umbrella, open_: Sequence[Incident], now: datetime) -> list[Incident]:
        """The incidents that belong under an umbrella now; empty when they are too few for a new one."""
        standing = self.standing(umbrella, open_, now) is not None
        members = [
            incident
            for incident in open_
            if may_move(incident)
            and umbrella.covers(incident.scenario, incident.severity, incident.service)
            and now - incident.opened_at <= umbrella.within
            and not incident.dedup_key.startswith(_UMBRELLAS)
        ]
        enough = standing or umbrella.are_enough([incident.service for incident in members])
        return members if enough else []


_UMBRELLAS = tuple(f"{DEDUP_VERSION}:{scenario.value}:umbrella:" for scenario in Scenario)


def _is_of(umbrella: Umbrella, incident: Incident) -> bool:
    """A storm that goes on has one incident for each `within`: all but the first have a time in their key."""
    return incident.dedup_key.partition("@")[0] == umbrella.dedup_key


def _is_working(incident: Incident) -> bool:
    return incident.status.is_open and incident.status is not Status.MITIGATED


def may_move(incident: Incident) -> bool:
    """Only what nobody works on: not a person, and no runbook that has begun; nor has a person stopped it."""
    if incident.asks:
        return False
    return incident.status is Status.TRIGGERED and incident.owner is None and incident.remediation_by is None


def _as_found(incident: Incident) -> Classification:
    return Classification(
        incident.rule, incident.severity, incident.scenario, incident.service, incident.dedup_key,
        incident.title, incident.runbook, incident.level, incident.event_like,
    )  # fmt: skip
