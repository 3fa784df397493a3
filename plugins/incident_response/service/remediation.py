"""Remediation: ask for a runbook, let the guard answer, keep what each step did, take in how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.changes import Change
from incident_response.domain.commands import remediation_ended, request_remediation
from incident_response.domain.errors import IllegalTransition, IncidentNotFound, RunbookNotFound
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store, Transaction
from incident_response.domain.runbooks import Remediation, RemediationState, Runbook, Verdict, may_run
from incident_response.domain.timeline import EventKind, TimelineEvent

from .lifecycle import change
from .policy_book import PolicyBook


class Remediations:
    """`find` gives a valid runbook by name, None when there is none (or it is broken)."""

    def __init__(self, store: Store, policies: PolicyBook, find: Callable[[str], Runbook | None]) -> None:
        self._store, self._policies, self._find = store, policies, find

    def request(self, number: int, by: str, now: datetime, runbook: str | None = None) -> Remediation:
        """Ask for a run of the incident's runbook, or of the one named.

        Raises RunbookNotFound, IllegalTransition.
        """
        with self._store.transaction() as tx:
            incident = self._get(tx, number)
            book = self._runbook(runbook or incident.runbook or "")
            if book.written:
                raise IllegalTransition(f"{book.name} is a written runbook: people follow it, nothing runs")
            target = f"{incident.scenario.value}:{incident.service}"
            changed = change(
                tx, self._policies, number, lambda i, p: request_remediation(i, p, book, target, by, now)
            )
        return changed.remediations[-1]

    def begin(self, number: int, attempt: int, targets: int, now: datetime) -> Verdict:
        """The guard: may this remediation act on `targets` things now?

        Yes marks it running (again yes for the same attempt after a crash); no ends it and pages a person.
        """
        with self._store.transaction() as tx:
            incident, remediation = self._find_attempt(tx, number, attempt)
            runbook = self._runbook(remediation.runbook)
            if remediation.state is RemediationState.RUNNING:
                return Verdict(True, "resumed", "this attempt was allowed before it was interrupted")
            history = [
                past
                for past in tx.remediation_history(runbook.name, remediation.target, now - runbook.window)
                if (past.incident, past.attempt) != (number, attempt)
            ]
            verdict = may_run(runbook, incident, remediation, history, targets, now)
            event = TimelineEvent(
                now,
                EventKind.REMEDIATION,
                "system:guard",
                f"Guard {'allowed it' if verdict.allowed else f'refused ({verdict.reason})'}: "
                f"{verdict.explanation}",
                {"reason": verdict.reason, "attempt": attempt},
            )
            if verdict.allowed:
                running = replace(remediation, state=RemediationState.RUNNING, started_at=now)
                tx.save([Change(incident, events=(event,), remediations=(running,))])
            else:
                tx.add_events(number, [event])
                reason = f"{verdict.reason}: {verdict.explanation}"
                self._end(tx, number, remediation, RemediationState.REFUSED, reason, now)
        return verdict

    def end(self, number: int, attempt: int, state: RemediationState, reason: str, now: datetime) -> Incident:
        """Take in how it ended; a second word about an ended one changes nothing."""
        with self._store.transaction() as tx:
            incident, remediation = self._find_attempt(tx, number, attempt)
            if remediation.state.ended:
                return incident
            return self._end(tx, number, remediation, state, reason, now)

    def _end(
        self,
        tx: Transaction,
        number: int,
        remediation: Remediation,
        state: RemediationState,
        reason: str,
        now: datetime,
    ) -> Incident:
        runbook = self._runbook(remediation.runbook)
        ended = replace(remediation, state=state, reason=reason[:2000], ended_at=now)
        by = f"system:runbook {runbook.name}"
        return change(
            tx, self._policies, number, lambda i, p: remediation_ended(i, p, runbook, ended, by, now)
        ).incident

    def evidence(self, number: int, title: str, data: Mapping[str, Any], by: str, now: datetime) -> None:
        """Keep what a step found, before anything is changed."""
        with self._store.transaction() as tx:
            tx.add_events(number, [TimelineEvent(now, EventKind.EVIDENCE, by, title, data)])

    def begin_effect(self, key: str, number: int, by: str, now: datetime) -> str | None:
        """Claim an effect before trying it.

        None: try it; `begun`: an earlier try was cut off; `done`: it happened.
        """
        with self._store.transaction() as tx:
            return tx.begin_effect(key, number, by, now)

    def end_effect(
        self, key: str, number: int, text: str, detail: Mapping[str, Any], by: str, now: datetime
    ) -> None:
        """The effect happened; the timeline says so."""
        with self._store.transaction() as tx:
            tx.end_effect(key, now, detail)
            tx.add_events(
                number, [TimelineEvent(now, EventKind.REMEDIATION, by, text, {"effect": key, **detail})]
            )

    def _get(self, tx: Transaction, number: int) -> Incident:
        incident = tx.lock([number]).get(number)
        if incident is None:
            raise IncidentNotFound(f"There is no incident INC-{number}")
        return incident

    def _find_attempt(self, tx: Transaction, number: int, attempt: int) -> tuple[Incident, Remediation]:
        incident = self._get(tx, number)
        for remediation in tx.remediations(number):
            if remediation.attempt == attempt:
                return incident, remediation
        raise IncidentNotFound(
            f"{incident.key} has no remediation {attempt}; ask for one on the incident's page"
        )

    def _runbook(self, name: str) -> Runbook:
        found = self._find(name)
        if found is None:
            raise RunbookNotFound(
                f"There is no valid runbook {name!r} in include/runbooks; "
                "`python -m incident_response doctor` says what is wrong with it"
            )
        return found
