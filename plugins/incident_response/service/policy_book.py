"""The escalation policy in force and those that incidents carry; a policy that was copied never changes."""

from __future__ import annotations

from datetime import datetime

from incident_response.domain.errors import PolicyError
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Policies
from incident_response.domain.transactions import Transaction


class PolicyBook:
    """Finds policies by digest. Content-addressed, so what was read once is never read again."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._known: dict[str, EscalationPolicy] = {}
        self._kept: set[str] = set()

    def for_new(self, tx: Transaction, now: datetime) -> EscalationPolicy:
        """The policy in force, kept in the store so that an incident can carry it."""
        policy = self.in_force(tx)
        if policy.digest not in self._kept:
            tx.keep_policy(policy.digest, policy.source, now)
            # Marked as known only by the next transaction: this one may still be rolled back.
            if policy.digest in self._known:
                self._kept.add(policy.digest)
            self._known[policy.digest] = policy
        return policy

    def in_force(self, tx: Transaction) -> EscalationPolicy:
        """The policy in force; nothing is kept, so `tx` may be one that only reads. Raises PolicyError."""
        try:
            return self._policies.current()
        except PolicyError:
            # Broken since before this process started: what was in force last still pages people.
            source = tx.latest_policy()
            if source is None:
                raise
            return self._policies.parse(source)

    def of(self, tx: Transaction, incident: Incident) -> EscalationPolicy:
        """The policy that was in force when `incident` opened."""
        if incident.policy not in self._known:
            self._known[incident.policy] = self._policies.parse(tx.policy_source(incident.policy))
        return self._known[incident.policy]
