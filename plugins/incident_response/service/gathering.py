"""Gathering: incidents that turn out to have one cause become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification
from incident_response.domain.commands import open_incident, reopen, set_severity
from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.grounds import Account
from incident_response.domain.grouping import SEVERAL, Bond, Grouping, Umbrella, may_move
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.logs import logger
from incident_response.domain.merging import inherit, merge, took_over
from incident_response.domain.ports import Store
from incident_response.domain.records import Role
from incident_response.domain.severities import Scenario, worst
from incident_response.domain.signals import ALERTNAME, Signal
from incident_response.domain.transactions import Transaction
from incident_response.domain.waiting import Waits

from .groups import again
from .linking import link
from .policy_book import PolicyBook

log = logger(__name__)

_NOW = timedelta()
_OWED_FOR = timedelta(seconds=5)  # until then whoever opened it is about to gather it
_BY = "system:grouping"
_LOOK_BACK = (
    500  # incidents before the first of those that were opened: more within minutes are under an umbrella
)
_MINUTE = timedelta(minutes=1)  # nobody is paged twice in it about one storm
BEHIND = "behind"  # the label of an umbrella's incident that counts what came under it


class Gathering:
    """Runs after incidents were opened. Whatever order signals came in, the result is the same."""

    def __init__(
        self,
        store: Store,
        policies: PolicyBook,
        grouping: Callable[[], Grouping],
        classify: Callable[[Signal], Classification],
    ) -> None:
        self._store, self._policies, self._grouping = store, policies, grouping
        self._classify = classify

    def company(self, tx: Transaction, first: int, now: datetime) -> Sequence[Incident]:
        """The incidents that were opened within the last minute."""
        if not self._grouping().umbrellas:
            return ()
        return tx.open_above(first - _LOOK_BACK, now - _MINUTE)

    def owe(self, tx: Transaction, opened: Sequence[Incident], now: datetime) -> Sequence[Incident]:
        """Note in the transaction that opens incidents which of them have to be gathered; returns these."""
        if not opened:
            return ()
        grouping = self._grouping()
        owed = [i for i in opened if _may_have_company(grouping, i)]
        if owed:
            tx.owe_gathering([incident.number for incident in owed], now)
        return owed

    def gather(self, opened: Sequence[Incident], now: datetime) -> None:
        """Look at what was opened, reopened or raised a moment ago: it may be the cause or a consequence.

        When the store goes away before that, the signals are taken in all the same: whoever sent them must
        not send them again, and `gather_owed` does this a little later.
        """
        if not opened:
            return
        try:
            with self._store.transaction() as tx:
                tx.lock_gathering()
                self._gather(tx, opened, now)
        except StoreUnavailable as error:
            log.warning("incidents are gathered at a later tick of the clock: %s", error)

    def gather_owed(self, now: datetime) -> None:
        """What was opened and not gathered, because a process died or the store went away in between."""
        with self._store.read() as tx:
            owed = tx.owed(now - _OWED_FOR)
        if not owed:
            return
        with self._store.transaction() as tx:
            tx.lock_gathering()
            found = tx.lock(owed).values()
            self._gather(tx, [incident for incident in found if incident.status.is_open], now)
            tx.gathered(owed)

    def _gather(self, tx: Transaction, opened: Sequence[Incident], now: datetime) -> None:
        grouping, services = self._grouping(), {incident.service for incident in opened}
        related = services.union(
            *(grouping.services.downstreams(name) | grouping.services.upstreams(name) for name in services)
        )
        failed = any(incident.scenario is Scenario.DAG_FAILURE for incident in opened)
        waits = Waits(tx.waiting() if failed else ())
        self._consequences(tx, grouping, related | waits.dags, waits, now)
        for umbrella in grouping.umbrellas:
            if any(umbrella.covers(i.scenario, i.severity, i.service) for i in opened):
                self._umbrella(tx, grouping, umbrella, min(i.number for i in opened), now)
        tx.gathered([incident.number for incident in opened])

    def _consequences(
        self, tx: Transaction, grouping: Grouping, services: set[str], waits: Waits, now: datetime
    ) -> None:
        open_ = tx.open_on({*services, SEVERAL})
        behind = {
            incident.number: waits.behind([s for s in tx.sightings(incident.number) if s.role is Role.OWN])
            for incident in open_
            if incident.service in waits.dags
        }
        account: Callable[[Incident], Account] = lambda one: self._account(tx, grouping, one)[0]  # noqa: E731
        ties = grouping.ties(open_, account, now, waits, behind)
        pairs = [(child, tie.incident) for child, tie in ties if tie.bond is Bond.CAUSE]
        tx.lock({incident.number for pair in pairs for incident in pair})  # all at once: in their order
        for child, cause in pairs:
            waited = cause.service in behind.get(child.number, ())
            reason = f"{child.service} {'waited for' if waited else 'depends on'} {cause.service}"
            self._merge(tx, child.number, cause.number, Role.CONSEQUENCE, reason, now)
        for child, tie in ties:
            if tie.bond is Bond.LINKED:
                link(tx, child, tie.incident, now)
        for umbrella in (incident for incident in open_ if incident.service == SEVERAL):
            shared = self._cause_of_all(tx, grouping, umbrella, open_, now)
            if shared is not None:
                reason = f"all of it depends on {shared.service}"
                self._merge(tx, umbrella.number, shared.number, Role.CONSEQUENCE, reason, now)

    def _cause_of_all(
        self,
        tx: Transaction,
        grouping: Grouping,
        umbrella: Incident,
        open_: Sequence[Incident],
        now: datetime,
    ) -> Incident | None:
        """The incident that explains everything under an umbrella: many failed because one thing did."""
        account, services = self._account(tx, grouping, umbrella)
        return grouping.cause_of_all(umbrella, services, account, open_, now)

    def _account(self, tx: Transaction, grouping: Grouping, incident: Incident) -> tuple[Account, set[str]]:
        """What the firing signals of an incident stand on, and which services they are about."""
        seen = [again(s) for s in tx.sightings(incident.number) if s.role is Role.OWN]
        found = [(signal, self._classify(signal)) for signal in seen]
        services = {classified.service for _, classified in found}
        told = [(signal, classified.evidence) for signal, classified in found if signal.firing]
        return grouping.account(told, services), services

    def _umbrella(
        self, tx: Transaction, grouping: Grouping, umbrella: Umbrella, first: int, now: datetime
    ) -> None:
        above, since = first - _LOOK_BACK, now - umbrella.within
        names = [s for scenario, s in tx.opened(above, since) if umbrella.scenario in (None, scenario)]
        standing = grouping.standing(umbrella, tx.open_on({SEVERAL}), now)
        if not umbrella.are_enough(names) and standing is None:
            return
        shown = tx.open_above(above, since)
        members = grouping.under(umbrella, [*shown, *([standing] if standing else [])], now)
        if not members:
            return
        tx.lock({i.number for i in [*members, *([standing] if standing else [])]})
        parent = standing or self.raise_umbrella(tx, umbrella, members, now)
        if parent is None:
            return
        for member in members:
            self._merge(tx, member.number, parent.number, Role.OWN, umbrella.name, now)
        if umbrella.alerts and standing is not None:
            current = tx.lock([parent.number])[parent.number]
            tx.save([Change(counted(umbrella, current, len(members)))])

    def raise_umbrella(
        self,
        tx: Transaction,
        umbrella: Umbrella,
        members: Sequence[Incident],
        now: datetime,
        behind: int | None = None,
    ) -> Incident | None:
        """Its incident, which counts `behind` it (None: all members); None when somebody else was faster."""
        found = umbrella.classification(members)
        if any(i.dedup_key == found.dedup_key for i in tx.open_on({SEVERAL})):
            # The one before is too old to take anything in: a storm that goes on is told once more.
            found = replace(found, dedup_key=f"{found.dedup_key}@{now.isoformat(timespec='microseconds')}")
        labels = {
            ALERTNAME: "IncidentsTogether",
            "umbrella": umbrella.name,
            BEHIND: str(len(members) if behind is None else behind),
        }
        signal = Signal("grouping", labels, _names(members), min(m.opened_at for m in members))
        number = tx.allocate(1)[0]
        # Who has just been paged about one of them is not paged again within the minute, unless for worse.
        told = [m.severity for m in members if m.pages]
        quiet = _MINUTE if told and not worst(m.severity for m in members).worse_than(worst(told)) else _NOW
        change = open_incident(number, signal, found, self._policies.for_new(tx, now), now, quiet)
        return change.incident if tx.insert([change]) else None

    def _merge(
        self, tx: Transaction, child: int, parent: int, role: Role, reason: str, now: datetime, by: str = _BY
    ) -> None:
        """Merge one incident, if both are still open; raise the other one's severity where that follows."""
        found = tx.lock([child, parent])
        if not all(n in found and found[n].status.is_open for n in (child, parent)):
            return
        if by == _BY and not may_move(found[child]):
            return  # since we looked somebody has taken it
        merged = merge(found[child], self._policies.of(tx, found[child]), parent, reason, by, now)
        changes = [merged]
        taking = Change(found[parent], events=(took_over(found[child], reason, by, now),))
        policy = self._policies.of(tx, found[parent])
        if found[child].split_off:
            taking = taking.evolve(split_off={**found[child].split_off, **found[parent].split_off})
        own = role is Role.OWN
        taking = taking.then(lambda i: inherit(i, found[child], policy, by, now, own=own))
        if role is Role.OWN and found[parent].status is Status.MITIGATED and tx.firing([child])[child]:
            # Its hold-down would end although this fires on.
            taking = taking.then(lambda i: reopen(i, policy, by, now, reason=found[child].title))
        if found[child].severity.worse_than(found[parent].severity):
            severity = found[child].severity
            taking = taking.then(lambda incident: set_severity(incident, policy, severity, by, now))
        tx.save([*changes, taking])
        tx.skip_parcels(child, now)
        tx.move_signals(child, parent, role)

    def merge_by_hand(self, child: int, parent: int, by: str, now: datetime) -> None:
        """A person says that two incidents are one. Raises IncidentNotFound, IllegalTransition, BadInput."""
        with self._store.transaction() as tx:
            tx.lock_gathering()
            both = tx.lock([child, parent])
            for number in (child, parent):
                tx.get(number)  # raises when there is none
            merge(both[child], self._policies.of(tx, both[child]), parent, "", by, now)  # raises
            merge(both[parent], self._policies.of(tx, both[parent]), child, "", by, now)
            # What depends on the other stays a consequence of it: whatever still fires after it is taken in.
            upstreams = self._grouping().services.upstreams(both[child].service)
            role = Role.CONSEQUENCE if both[parent].service in upstreams else Role.OWN
            self._merge(tx, child, parent, role, "the same cause", now, by)


def _may_have_company(grouping: Grouping, incident: Incident) -> bool:
    """False for what nothing depends on, what depends on nothing, and what no umbrella covers."""
    services, name = grouping.services, incident.service
    covered = any(u.covers(incident.scenario, incident.severity, name) for u in grouping.umbrellas)
    return bool(covered or services.upstreams(name) or services.downstreams(name))


def counted(umbrella: Umbrella, incident: Incident, more: int) -> Incident:
    """An umbrella's incident with so many more behind it: its title, and what pages say, follow."""
    count = int(incident.labels.get(BEHIND, "0")) + more
    return incident.evolve(title=umbrella.titled(count)[:200], labels={**incident.labels, BEHIND: str(count)})


def _names(members: Sequence[Incident]) -> str:
    names = sorted({member.service for member in members})
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
