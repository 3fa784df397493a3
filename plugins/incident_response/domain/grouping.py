"""Grouping: many incidents, one cause. What depends on what is broken, and what fails all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .classification import DEDUP_VERSION, Classification
from .exercises import is_exercise
from .incidents import Incident, Status
from .services import ServiceMap
from .severities import Scenario, Severity, worst

SEVERAL = "several"  # the service of an umbrella's incident


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

    def classification(self, members: Sequence[Incident]) -> Classification:
        """What its incident is."""
        return Classification(
            rule=f"umbrella: {self.name}",
            severity=worst([self.severity, *(member.severity for member in members)]),
            scenario=self.scenario or Scenario.OTHER,
            service=SEVERAL,
            dedup_key=self.dedup_key,
            title=self.title.replace("{count}", str(len({member.service for member in members}))),
            runbook=self.runbook,
            level=self.level,
            event_like=any(member.event_like for member in members),
        )


@dataclass(frozen=True)
class Grouping:
    """The whole of include/policy/services.yaml."""

    services: ServiceMap = field(default_factory=ServiceMap)
    umbrellas: tuple[Umbrella, ...] = ()
    wait: timedelta = timedelta()  # before the first page of what may turn out to be a consequence
    window: timedelta = timedelta(minutes=15)  # consequences seen this long before their cause are its own

    def with_edges(self, edges: Iterable[tuple[str, str]]) -> Grouping:
        """The same with further (upstream, downstream) pairs of services."""
        return replace(self, services=self.services.with_edges(edges))

    def quiet(self, found: Classification) -> timedelta:
        """How long nobody is told of a new incident. P1 waits for nothing."""
        if found.severity is Severity.P1:
            return timedelta()
        umbrellas = (u for u in self.umbrellas if u.scenario is not None)
        together = any(
            umbrella.covers(found.scenario, found.severity, found.service) for umbrella in umbrellas
        )
        return self.wait if together or self.services.upstreams(found.service) else timedelta()

    def cause(self, found: Classification, open_: Iterable[Incident]) -> Incident | None:
        """The open incident of which this would be a consequence, None: it stands on its own."""
        return self._deepest(self.services.upstreams(found.service), found.severity, open_)

    def _deepest(
        self, upstreams: frozenset[str], severity: Severity, open_: Iterable[Incident]
    ) -> Incident | None:
        """Of the open incidents of `upstreams` the one that no other explains; none hides what is worse."""
        causes = [
            incident
            for incident in open_
            if incident.service in upstreams
            and _is_working(incident)
            and not severity.worse_than(incident.severity)
        ]
        names = {cause.service for cause in causes}
        deepest = [cause for cause in causes if not self.services.upstreams(cause.service) & names]
        return min(deepest or causes, key=lambda incident: incident.number, default=None)

    def consequences(self, open_: Sequence[Incident], now: datetime) -> list[tuple[Incident, Incident]]:
        """(consequence, cause) among open incidents, for those that opened or reopened within the window."""
        pairs = []
        for incident in open_:
            if not may_move(incident) or now - incident.started_at > self.window:
                continue
            found = _as_found(incident)
            cause = self.cause(found, (other for other in open_ if other.number != incident.number))
            if cause is not None and not self._leads(incident, cause):
                pairs.append((incident, cause))
        moved = {incident.number for incident, _ in pairs}
        # A cause that is itself a consequence: its own cause takes both, because upstreams are transitive.
        return [(incident, cause) for incident, cause in pairs if cause.number not in moved]

    def _leads(self, incident: Incident, cause: Incident) -> bool:
        """True for the older one of two that depend on each other: a circle has one cause, not none."""
        circle = incident.service in self.services.upstreams(cause.service)
        other_way = circle and may_move(cause) and not cause.severity.worse_than(incident.severity)
        return other_way and incident.number < cause.number

    def cause_of_all(
        self, umbrella: Incident, services: set[str], open_: Iterable[Incident], now: datetime
    ) -> Incident | None:
        """The open incident that explains all services under an umbrella's incident, None: there is none."""
        if not services or not may_move(umbrella) or now - umbrella.opened_at > self.window:
            return None
        shared = frozenset.intersection(*(self.services.upstreams(name) for name in services))
        return self._deepest(shared, umbrella.severity, open_)

    def standing(self, umbrella: Umbrella, open_: Iterable[Incident], now: datetime) -> Incident | None:
        """Its open incident while that is young, and takes in single ones; None when there is none."""
        return next(
            (
                incident
                for incident in open_
                if incident.dedup_key == umbrella.dedup_key and now - incident.opened_at <= umbrella.within
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
        few = len({incident.service for incident in members}) < umbrella.services
        return [] if few and not standing else members


_UMBRELLAS = tuple(f"{DEDUP_VERSION}:{scenario.value}:umbrella:" for scenario in Scenario)


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
