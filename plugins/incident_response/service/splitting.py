"""Splitting: two troubles that were taken for one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification
from incident_response.domain.commands import must_be_open, open_incident
from incident_response.domain.errors import BadInput, IllegalTransition
from incident_response.domain.identity import fitting
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.records import Role
from incident_response.domain.signals import Signal
from incident_response.domain.timeline import EventKind, TimelineEvent

from .groups import again
from .policy_book import PolicyBook


class Splitting:
    """A person says that some signals of an incident are other trouble."""

    def __init__(
        self, store: Store, policies: PolicyBook, classify: Callable[[Signal], Classification]
    ) -> None:
        self._store, self._policies, self._classify = store, policies, classify

    def split(self, number: int, keys: Collection[tuple[str, str]], by: str, now: datetime) -> Incident:
        """Give (source, fingerprint) signals an incident of their own, and those that follow them, too.

        Raises IncidentNotFound, IllegalTransition, BadInput when there are none, or none would be left.
        """
        with self._store.transaction() as tx:
            tx.lock_gathering()
            incident = tx.lock([number]).get(number) or tx.get(number)
            must_be_open(incident)
            seen = tx.sightings(number)
            # All that tell of the same thing go with it: what follows is told apart by its fingerprint.
            things = {s.fingerprint for s in seen if (s.source, s.fingerprint) in keys}
            kept = [s for s in seen if s.fingerprint not in things]
            taken = tx.take_signals(
                number, {(s.source, s.fingerprint) for s in seen} - {(s.source, s.fingerprint) for s in kept}
            )
            if not taken:
                raise BadInput(f"{incident.key} has none of these signals; nothing was split off")
            if not any(sighting.role is Role.OWN for sighting in kept):
                raise BadInput(f"{incident.key} would be left without a signal; nothing was split off")
            signal = again(taken[0])
            found = self._classify(signal)
            key = found.dedup_key
            if key == incident.dedup_key or key in tx.lock_current([key], now):
                # The incident keeps its key: what is split off gets one of its own, and is found by it.
                key = fitting(f"{key}#{signal.fingerprint}")
            split = {**incident.split_off, **{s.fingerprint: key for s in taken}}
            other = tx.allocate(1)[0]
            policy = self._policies.for_new(tx, now)
            opening = open_incident(other, signal, replace(found, dedup_key=key), policy, now)
            if not tx.insert([opening]):
                raise IllegalTransition("these signals have an incident of their own by now; look again")
            tx.record([replace(s, incident=other, role=Role.OWN) for s in taken])
            text = f"{len(taken)} signals split off into {opening.incident.key}"
            change = Change(incident.evolve(split_off=split))
            tx.save([change.event(now, EventKind.SPLIT, by, text, into=other)])
            back = f"Split off from {incident.key} by {by}"
            tx.add_events(other, [TimelineEvent(now, EventKind.SPLIT, by, back, {"from": number})])
        return opening.incident
