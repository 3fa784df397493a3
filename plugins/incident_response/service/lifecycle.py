"""What people (and runbooks in their name) do with an incident: one command, one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from incident_response.domain import commands
from incident_response.domain.changes import Change
from incident_response.domain.errors import IncidentNotFound
from incident_response.domain.escalation import Cause, EscalationPolicy
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.severities import Severity
from incident_response.domain.transactions import Transaction

from .policy_book import PolicyBook

Command = Callable[[Incident, EscalationPolicy], Change]


def change(tx: Transaction, policies: PolicyBook, number: int, command: Command) -> Change:
    """Lock one incident, apply a command to it, save what follows.

    Raises IncidentNotFound, IllegalTransition.
    """
    incident = tx.lock([number]).get(number)
    if incident is None:
        raise IncidentNotFound(f"There is no incident INC-{number}")
    changed = command(incident, policies.of(tx, incident))
    tx.save([changed])
    return changed


class Lifecycle:
    """Commands by number.

    Each returns the incident as it is afterwards, and raises when it is not allowed.
    """

    def __init__(self, store: Store, policies: PolicyBook) -> None:
        self._store, self._policies = store, policies

    def _do(self, number: int, command: Command) -> Incident:
        with self._store.transaction() as tx:
            return change(tx, self._policies, number, command).incident

    def acknowledge(self, number: int, by: str, now: datetime) -> Incident:
        """Take it: stops the acknowledge clock."""
        return self._do(number, lambda i, p: commands.acknowledge(i, p, by, now))

    def investigate(self, number: int, by: str, now: datetime) -> Incident:
        """Say that somebody looks into it."""
        return self._do(number, lambda i, p: commands.investigate(i, p, by, now))

    def assign(self, number: int, owner: str, by: str, now: datetime) -> Incident:
        """Name its owner."""
        return self._do(number, lambda i, p: commands.assign(i, p, owner, by, now))

    def add_note(self, number: int, text: str, by: str, now: datetime) -> Incident:
        """Keep a note in the timeline."""
        return self._do(number, lambda i, p: commands.add_note(i, p, text, by, now))

    def post_update(self, number: int, text: str, by: str, now: datetime) -> Incident:
        """Tell everybody who knows of it how it stands."""
        return self._do(number, lambda i, p: commands.post_update(i, p, text, by, now))

    def set_severity(self, number: int, severity: Severity, by: str, now: datetime) -> Incident:
        """Raise or lower it."""
        return self._do(number, lambda i, p: commands.set_severity(i, p, severity, by, now))

    def escalate(
        self,
        number: int,
        by: str,
        now: datetime,
        *,
        to: int | None = None,
        cause: Cause | None = None,
        reason: str = "",
    ) -> Incident:
        """Page the next level, the level named, or the level that answers for a cause."""
        return self._do(
            number, lambda i, p: commands.escalate(i, p, by, now, to=to, cause=cause, reason=reason)
        )

    def mitigate(
        self, number: int, by: str, now: datetime, *, proof: str, hold: timedelta | None = None
    ) -> Incident:
        """It seems fixed; resolved after the hold-down."""
        return self._do(number, lambda i, p: commands.mitigate(i, p, by, now, proof=proof, hold=hold))

    def resolve(self, number: int, by: str, now: datetime, *, resolution: str = "") -> Incident:
        """It is fixed."""
        return self._do(number, lambda i, p: commands.resolve(i, p, by, now, resolution=resolution))

    def reopen(self, number: int, by: str, now: datetime, *, reason: str) -> Incident:
        """It was not fixed."""
        return self._do(number, lambda i, p: commands.reopen(i, p, by, now, reason=reason))

    def close(self, number: int, by: str, now: datetime) -> Incident:
        """File it."""
        return self._do(number, lambda i, p: commands.close(i, p, by, now))

    def review(self, number: int, part: str, text: str, by: str, now: datetime) -> Incident:
        """Write a part of the report that only people know."""
        return self._do(number, lambda i, p: commands.review(i, p, part, text, by, now))
