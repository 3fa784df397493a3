"""Remediation: ask for a runbook, let the guard answer, keep what each step did, take in how it ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from incident_response.domain.automation import BREAKER, KILL_SWITCH, LEASE, Lease, Limits, Switch
from incident_response.domain.changes import Change
from incident_response.domain.commands import ask_approval, escalate, remediation_ended, request_remediation
from incident_response.domain.errors import (
    BadInput,
    IllegalTransition,
    IncidentNotFound,
    Refused,
    RunbookNotFound,
)
from incident_response.domain.exercises import fits
from incident_response.domain.guard import Circumstances, Verdict, may_run, trips
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.runbooks import (
    APPROVE,
    Remediation,
    RemediationState,
    Runbook,
    StepResult,
    StepState,
)
from incident_response.domain.silences import muted
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction

from .job import PLAN, asked_by
from .lifecycle import change
from .muting import Muting
from .policy_book import PolicyBook

GUARD = "system:guard"
_RENEWED = timedelta(minutes=1)  # a sign of life is written so often
_HOUR = timedelta(hours=1)


class Remediations:
    """`find` gives a valid runbook by name, None when there is none (or it is broken)."""

    def __init__(
        self,
        store: Store,
        policies: PolicyBook,
        find: Callable[[str], Runbook | None],
        muting: Muting,
        limits: Callable[[], Limits] = Limits,
        variable: Callable[[], Switch | None] = lambda: None,
    ) -> None:
        """`variable` is the kill switch that somebody has set as an Airflow variable, when it is off."""
        self._store, self._policies, self._find = store, policies, find
        self._muting, self._limits, self._variable = muting, limits, variable

    def request(
        self,
        number: int,
        by: str,
        now: datetime,
        runbook: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Remediation:
        """Ask for a run of the incident's runbook, or of the one named, with a person's `parameters`.

        Raises RunbookNotFound, IllegalTransition, BadInput.
        """
        with self._store.transaction() as tx:
            incident = self._get(tx, number)
            book = self._runbook(runbook or incident.runbook or "")
            if book.written:
                raise IllegalTransition(f"{book.name} is a written runbook: people follow it, nothing runs")
            if not fits(book, incident):
                raise IllegalTransition(
                    f"{book.name} is for exercises only and {incident.key} is none: it looks at nothing and "
                    "would call that a repair; nothing was started"
                )
            given = _known(book, parameters or {})
            target = f"{incident.scenario.value}:{incident.service}"
            changed = change(
                tx,
                self._policies,
                number,
                lambda i, p: request_remediation(i, p, book, target, by, now, given),
            )
        return changed.remediations[-1]

    # --- the guard

    def killed(self) -> Switch | None:
        """The kill switch, when it is off: in the store, or as an Airflow variable."""
        with self._store.read() as tx:
            off = [one for one in tx.switches() if one.name == KILL_SWITCH and not one.enabled]
        return off[0] if off else self._variable()

    def judge(
        self,
        number: int,
        attempt: int,
        targets: int,
        now: datetime,
        approved_by: str = "",
        planned: Collection[str] = (),
    ) -> Verdict:
        """What the guard would say, if `approved_by` had said yes. Nothing is changed."""
        variable = self._variable()
        with self._store.read() as tx:
            incident, remediation = tx.get(number), self._attempt(tx, number, attempt)
            runbook = self._runbook(remediation.runbook)
            around = self._around(tx, incident, remediation, runbook, targets, now, variable, planned)
        return may_run(runbook, incident, remediation, replace(around, approved_by=approved_by), now)

    def begin(
        self, number: int, attempt: int, targets: int, now: datetime, planned: Collection[str] = ()
    ) -> Verdict:
        """The guard: may this remediation act on `targets` things now, those that are `planned` by name?

        Yes takes the lease of its target, notes what it is about to touch, and marks it running (again yes
        for the same attempt after a crash); no ends it and pages a person.
        """
        variable = self._variable()  # before the transaction: it asks Airflow
        with self._store.transaction() as tx:
            incident, remediation = self._find_attempt(tx, number, attempt)
            runbook = self._runbook(remediation.runbook)
            if remediation.state is RemediationState.RUNNING:
                return Verdict(True, "resumed", "this attempt was allowed before it was interrupted")
            if remediation.state.ended:
                return Verdict(False, remediation.state.value, remediation.reason)
            around = self._around(tx, incident, remediation, runbook, targets, now, variable, planned)
            verdict = may_run(runbook, incident, remediation, around, now)
            said = (
                f"{'allowed it' if verdict.allowed else f'refused ({verdict.reason})'}: {verdict.explanation}"
            )
            data = {"reason": verdict.reason, "attempt": attempt, "targets": targets}
            event = TimelineEvent(now, EventKind.REMEDIATION, GUARD, f"Guard {said}", data)
            if verdict.allowed:
                lease = Lease(remediation.target, number, attempt, now, now + LEASE)
                tx.put_lease(lease)
                for name in sorted(planned):
                    tx.begin_effect(f"{incident.key}:{attempt}:guard:{name}", number, GUARD, now)
                running = replace(remediation, state=RemediationState.RUNNING, started_at=now)
                until = min(remediation.requested_at + runbook.time_limit, lease.expires_at)
                watched = incident.evolve(remediation_by=until)
                tx.save([Change(watched, events=(event,), remediations=(running,))])
            else:
                tx.add_events(number, [event])
                if verdict.reason == BREAKER and trips(around):
                    tx.put_switch(Switch(BREAKER, False, verdict.explanation, GUARD, now))
                reason = f"{verdict.reason}: {verdict.explanation}"
                self._end(tx, number, remediation, RemediationState.REFUSED, reason, now)
        return verdict

    def beat(self, number: int, attempt: int, now: datetime) -> None:
        """A sign of life: the lease of a remediation that acts is renewed, seldom enough to cost nothing.

        A lease that has run out is not: the clock has told a person, or is about to.
        """
        with self._store.read() as tx:
            remediation = self._attempt(tx, number, attempt)
            lease = tx.lease(remediation.target)
        if lease is None or (lease.incident, lease.attempt) != (number, attempt):
            return
        if not now < lease.expires_at < now + LEASE - _RENEWED:
            return
        with self._store.transaction() as tx:
            incident, remediation = self._find_attempt(tx, number, attempt)
            if remediation.state is not RemediationState.RUNNING:
                return
            tx.put_lease(replace(lease, expires_at=now + LEASE))
            limit = remediation.requested_at + self._runbook(remediation.runbook).time_limit
            tx.save([Change(incident.evolve(remediation_by=min(limit, now + LEASE)))])

    def ask(self, asked: StepResult, text: str, by: str, now: datetime) -> None:
        """Somebody has to approve a plan: the step waits, and whoever answers for the incident is paged."""
        with self._store.transaction() as tx:
            self._get(tx, asked.incident)
            tx.put_step(asked)
            change(
                tx,
                self._policies,
                asked.incident,
                lambda i, p: ask_approval(i, p, text, by, now, asked.attempt),
            )

    def approve(self, number: int, attempt: int, by: str, now: datetime, *, yes: bool = True) -> bool:
        """A person has seen the plan and says yes or no. False: it was decided before, or has ended.

        Raises IllegalTransition when there is no plan to decide on.
        """
        with self._store.transaction() as tx:
            _, remediation = self._find_attempt(tx, number, attempt)
            asked = next(
                (step for step in tx.steps(number) if (step.attempt, step.step) == (attempt, APPROVE)), None
            )
            if asked is None:
                raise IllegalTransition(f"{remediation.run_id} asks nobody for an approval (any more)")
            if asked.state is not StepState.RUNNING or remediation.state.ended:
                return False
            said = "approved" if yes else "declined"
            text = f"{by} {said} the plan of {remediation.run_id}"
            tx.put_step(
                replace(
                    asked,
                    state=StepState.DONE if yes else StepState.FAILED,
                    text=text,
                    data={**asked.data, "by": by, "approved": yes},
                    ended_at=now,
                )
            )
            data = {"attempt": attempt, "approved": yes}
            tx.add_events(number, [TimelineEvent(now, EventKind.REMEDIATION, by, text, data)])
            if not yes:
                reason = f"approval: {text}"
                self._end(tx, number, remediation, RemediationState.REFUSED, reason, now)
        return True

    # --- steps

    def evidence(self, number: int, title: str, data: Mapping[str, Any], by: str, now: datetime) -> None:
        """Keep a small finding in the timeline."""
        with self._store.transaction() as tx:
            tx.add_events(number, [TimelineEvent(now, EventKind.EVIDENCE, by, title, data)])

    def put_step(self, result: StepResult, event: TimelineEvent | None = None) -> None:
        """Keep what became of a step, and tell it."""
        with self._store.transaction() as tx:
            tx.put_step(result)
            if event is not None:
                tx.add_events(result.incident, [event])

    def end(
        self,
        number: int,
        attempt: int,
        state: RemediationState,
        reason: str,
        now: datetime,
        causes: Collection[str] = (),
        *,
        unanswered: bool = False,
    ) -> Incident:
        """Take in how it ended; a second word about an ended one changes nothing.

        `unanswered`: somebody was asked and said nothing, so the next level is paged.
        """
        with self._store.transaction() as tx:
            incident, remediation = self._find_attempt(tx, number, attempt)
            if remediation.state.ended:
                return incident
            ended = self._end(tx, number, remediation, state, reason, now, causes)
            if unanswered and ended.status.is_open:
                by = f"system:runbook {remediation.runbook}"
                told = partial(escalate, by=by, now=now, reason=reason[:300])
                ended = change(tx, self._policies, number, lambda i, p: told(i, p)).incident
            return ended

    def begin_effect(
        self, key: str, number: int, by: str, now: datetime, attempt: int | None = None
    ) -> str | None:
        """Claim an effect before trying it.

        None: try it; `begun`: an earlier try was cut off; `done`: it happened. Raises Refused when `attempt`
        is at work no more.
        """
        with self._store.transaction() as tx:
            if attempt is not None:
                _, remediation = self._find_attempt(tx, number, attempt)
                _must_work(tx, number, remediation, now)
            return tx.begin_effect(key, number, by, now)

    def must_work(self, number: int, attempt: int, now: datetime) -> None:
        """Raises Refused when this attempt is at work no more: a worker that was frozen for longer than its
        lease must not act when it wakes up, whether the clock has noticed it or not.
        """
        with self._store.read() as tx:
            _must_work(tx, number, self._attempt(tx, number, attempt), now)

    def end_effect(
        self,
        key: str,
        number: int,
        text: str,
        detail: Mapping[str, Any],
        by: str,
        now: datetime,
        step: StepResult | None = None,
    ) -> None:
        """The effect happened; the timeline says so, and the step it belongs to has come so far."""
        with self._store.transaction() as tx:
            tx.end_effect(key, now, detail)
            if step is not None:
                tx.put_step(step)
            tx.add_events(
                number, [TimelineEvent(now, EventKind.REMEDIATION, by, text, {"effect": key, **detail})]
            )

    # --- inside

    def _around(
        self,
        tx: Transaction,
        incident: Incident,
        remediation: Remediation,
        runbook: Runbook,
        targets: int,
        now: datetime,
        variable: Switch | None,
        planned: Collection[str],
    ) -> Circumstances:
        me = (incident.number, remediation.attempt)
        past = tx.remediation_history(runbook.name, remediation.target, now - runbook.window)
        lease = tx.lease(remediation.target)
        if lease is not None and (lease.incident, lease.attempt) == me:
            lease = None
        since = now - runbook.window
        touches = tx.touches(runbook.name, planned, since) if planned else ()
        meaning = {
            "scenario": incident.scenario.value,
            "severity": incident.severity.value,
            "service": incident.service,
        }
        mute = muted(self._muting.now(tx, now), {**incident.labels, **meaning}, now)
        approval = next(
            (s for s in tx.steps(incident.number) if (s.attempt, s.step) == (remediation.attempt, APPROVE)),
            None,
        )
        approved = approval is not None and approval.data.get("approved") is True
        plans = [s for s in tx.steps(incident.number) if (s.attempt, s.step) == (remediation.attempt, PLAN)]
        return Circumstances(
            targets=targets,
            history=[one for one in past if (one.incident, one.attempt) != me],
            acted=tx.acted_since(now - _HOUR),
            limits=self._limits(),
            switches=[switch for switch in (*tx.switches(), variable) if switch and not switch.enabled],
            lease=lease,
            window=mute.name if mute else "",
            approved_by=str(approval.data.get("by", "")) if approval is not None and approved else "",
            planned=planned,
            touches=[one for one in touches if (one.incident, one.attempt) != me],
            asks=asked_by(plans[0].data.get("steps", {})) if plans else "",
        )

    def _end(
        self,
        tx: Transaction,
        number: int,
        remediation: Remediation,
        state: RemediationState,
        reason: str,
        now: datetime,
        causes: Collection[str] = (),
    ) -> Incident:
        runbook = self._runbook(remediation.runbook)
        ended = replace(remediation, state=state, reason=reason[:2000], ended_at=now)
        by = f"system:runbook {runbook.name}"
        tx.free_leases(number, remediation.attempt)
        return change(
            tx, self._policies, number, lambda i, p: remediation_ended(i, p, runbook, ended, by, now, causes)
        ).incident

    def _get(self, tx: Transaction, number: int) -> Incident:
        incident = tx.lock([number]).get(number)
        if incident is None:
            raise IncidentNotFound(f"There is no incident INC-{number}")
        return incident

    def _find_attempt(self, tx: Transaction, number: int, attempt: int) -> tuple[Incident, Remediation]:
        return self._get(tx, number), self._attempt(tx, number, attempt)

    @staticmethod
    def _attempt(tx: Transaction, number: int, attempt: int) -> Remediation:
        for remediation in tx.remediations(number):
            if remediation.attempt == attempt:
                return remediation
        raise IncidentNotFound(
            f"INC-{number} has no remediation {attempt}; ask for one on the incident's page"
        )

    def _runbook(self, name: str) -> Runbook:
        found = self._find(name)
        if found is None:
            raise RunbookNotFound(
                f"There is no valid runbook {name!r} in include/runbooks; "
                "`python -m incident_response doctor` says what is wrong with it"
            )
        return found


def _must_work(tx: Transaction, number: int, remediation: Remediation, now: datetime) -> None:
    run_id = remediation.run_id
    if remediation.state is not RemediationState.RUNNING:
        said = f"{run_id} is {remediation.state.value}: {remediation.reason}"
        raise Refused(f"{said}; nothing more is changed")
    lease = tx.lease(remediation.target)
    if lease is None or (lease.incident, lease.attempt) != (number, remediation.attempt):
        raise Refused(f"expired lease: {run_id} has {remediation.target} no more; nothing more is changed")
    if lease.expires_at <= now:
        until = f"{lease.expires_at:%H:%M:%S} UTC"
        raise Refused(f"expired lease: {run_id} gave no sign of life until {until}; nothing more is changed")


def _known(runbook: Runbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """A person's parameters that differ from the defaults. Raises BadInput for one that there is not."""
    defaults = runbook.values({})
    if strange := sorted(set(given) - set(defaults)):
        names = ", ".join(defaults) or "none"
        raise BadInput(f"{runbook.name} has no parameter {strange[0]!r}; it has {names}; nothing was done")
    return {name: value for name, value in given.items() if value != defaults[name]}
