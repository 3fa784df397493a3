"""Running: the steps of a remediation, one call each. Every call may be repeated after a crash.

What a step does is an action (domain.actions); what became of it is a row of the store, written before and
after. Nothing here knows Airflow: the operators of a runbook's DAG call it, and so do tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.errors import BadInput, IncidentResponseError, Refused, RunbookNotFound, Unknown
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Sighting, Store
from incident_response.domain.runbooks import (
    APPROVE,
    Phase,
    Remediation,
    RemediationState,
    Runbook,
    Step,
    StepResult,
    StepState,
    resolved,
)
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.times import in_words

from .evidence import Evidence
from .remediation import Remediations

PLAN = "plan"
_MOST_TEXTS = 20  # lines of a plan in one text


@dataclass(frozen=True)
class Job:
    """A remediation at work, as its store has it."""

    incident: Incident
    remediation: Remediation
    runbook: Runbook
    results: Mapping[str, StepResult]  # by step, of this attempt
    sightings: Sequence[Sighting]

    @property
    def by(self) -> str:
        """Who does it, for the timeline."""
        return f"system:runbook {self.runbook.name}"

    @property
    def causes(self) -> tuple[str, ...]:
        """All that was found."""
        return tuple(dict.fromkeys(c for result in self.results.values() for c in result.causes))

    @property
    def proof(self) -> str:
        """What proved that it worked, empty when nothing has."""
        proofs = (r.text for name, r in self.results.items() if _verifies(name) and _is_done(r))
        return next(proofs, "")

    @property
    def acted(self) -> bool:
        """True when a step has changed something, or nobody can tell."""
        changing = {step.name for step in self.runbook.steps if step.changes}
        touched = (StepState.DONE, StepState.UNKNOWN, StepState.RUNNING)
        return any(name in changing and result.state in touched for name, result in self.results.items())

    @property
    def plan(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """By step: what would be done, as it was planned."""
        found = self.results.get(PLAN)
        return dict(found.data.get("steps", {})) if found else {}

    @property
    def targets(self) -> int:
        """How many things the plan touches."""
        return len({entry["target"] for entries in self.plan.values() for entry in entries})

    @property
    def rungs(self) -> tuple[Step, ...]:
        """The ladder of attempts."""
        return self.runbook.of(Phase.REPAIR)

    def result(self, step: str) -> StepResult | None:
        """What became of a step that has ended."""
        found = self.results.get(step)
        return found if found is not None and found.ended_at is not None else None


class Running:
    """`action` makes an action by name, `model` checks its parameters."""

    def __init__(
        self,
        store: Store,
        remediations: Remediations,
        find: Callable[[str], Runbook | None],
        action: Callable[[str], Any],
        model: Callable[[str, Mapping[str, Any]], Any],
        evidence: Evidence,
    ) -> None:
        self._store, self._remediations, self._find = store, remediations, find
        self._action, self._model, self._evidence = action, model, evidence

    def job(self, number: int, run_id: str) -> Job | None:
        """The remediation whose DAG run is `run_id`; None: a person started the run by hand.

        Raises IncidentNotFound, RunbookNotFound.
        """
        with self._store.read() as tx:
            incident = tx.get(number)
            remediation = next((asked for asked in tx.remediations(number) if asked.run_id == run_id), None)
            if remediation is None:
                return None
            steps = [one for one in tx.steps(number) if one.attempt == remediation.attempt]
            sightings = tx.sightings(number)
        runbook = self._find(remediation.runbook)
        if runbook is None:
            raise RunbookNotFound(
                f"the runbook {remediation.runbook!r} is missing or broken in include/runbooks"
            )
        return Job(incident, remediation, runbook, {one.step: one for one in steps}, sightings)

    def look(self, job: Job, step: Step, now: datetime) -> str:
        """Run a step that reads; what it found is kept before anything is changed."""
        if (before := job.result(step.name)) is not None:
            return before.text
        if not step.applies(job.causes):
            return self._skip(job, step.name, _unfit(step), now)
        began = self._begun(job, step.name, now)
        try:
            finding: Finding = self._action(step.action).look(self._scene(job, step))
        except IncidentResponseError as error:
            if not step.goes_on:
                raise
            return self._end(job, began, StepState.FAILED, f"{step.name}: {error}", now).text
        kept, note = self._evidence.keep(
            job.incident, job.remediation.attempt, step.name, finding.exhibits, now
        )
        text = f"{finding.text}{note}"
        causes = dict.fromkeys(finding.causes, True)
        done = replace(
            began, state=StepState.DONE, text=text, data=dict(finding.data), causes=causes, ended_at=now
        )
        data = {"attempt": done.attempt, "step": step.name, **({"causes": list(causes)} if causes else {})}
        data |= {"exhibits": kept} if kept else {}
        self._remediations.put_step(done, TimelineEvent(now, EventKind.EVIDENCE, job.by, text, data))
        return text

    def plan(self, job: Job, now: datetime) -> str:
        """Plan all that may be changed: what a person approves, and what the guard counts."""
        if (before := job.result(PLAN)) is not None:
            return before.text
        began = self._begun(job, PLAN, now)
        plans: dict[str, list[dict[str, Any]]] = {}
        refused: dict[str, str] = {}
        steps = [step for step in job.runbook.steps if step.phase in (Phase.CONTAIN, Phase.REPAIR)]
        fitting = [step for step in steps if step.applies(job.causes)]
        for step in fitting:
            try:
                plans[step.name] = _as_data(self._action(step.action).plan(self._scene(job, step)))
            except Refused as error:
                refused[step.name] = str(error)
        lines = [f"{step}: {entry['text']}" for step, entries in plans.items() for entry in entries]
        lines += [f"{step} is refused: {why}" for step, why in refused.items()]
        if not fitting and steps:
            found = ", ".join(job.causes) or "nothing"
            lines = [f"nothing in {job.runbook.name} fits what was found ({found})"]
        text = f"Plan: {'; '.join(lines[:_MOST_TEXTS]) or 'there is nothing to change, only to verify'}"
        data = {"steps": plans, "refused": refused, "fits": bool(fitting) or not steps}
        done = replace(began, state=StepState.DONE, text=text, data=data, ended_at=now)
        event = TimelineEvent(now, EventKind.REMEDIATION, job.by, text, {"attempt": done.attempt})
        self._remediations.put_step(done, event)
        return text

    def guard(self, job: Job, now: datetime) -> tuple[bool, str]:
        """May it act? No ends the remediation."""
        plan = job.results[PLAN].data
        number, attempt = job.incident.number, job.remediation.attempt
        if not plan["fits"]:
            reason = f"nothing fits: {job.results[PLAN].text}"
            self._remediations.end(number, attempt, RemediationState.REFUSED, reason, now, job.causes)
            return False, reason
        rungs = job.rungs or job.runbook.of(Phase.CONTAIN)
        repairs = {step.name for step in rungs}
        # An attempt that finds nothing for itself to do is none: what was in the way of the others still is.
        if repairs & set(plan["refused"]) and not any(job.plan.get(name) for name in repairs):
            reason = "; ".join(plan["refused"].values())
            self._remediations.end(number, attempt, RemediationState.REFUSED, reason, now, job.causes)
            return False, reason
        if not job.targets:
            return True, "nothing to change, only to verify"
        verdict = self._remediations.begin(number, attempt, job.targets, now)
        return verdict.allowed, f"{verdict.reason}: {verdict.explanation}"

    def act(self, job: Job, step: Step, clock: Callable[[], datetime]) -> str:
        """Run a step that changes things: each thing of its plan once, under a key written before."""
        now = clock()
        if (before := job.result(step.name)) is not None:
            return before.text
        if job.proof:
            return self._skip(job, step.name, "not needed: it is proven", now)
        if not step.applies(job.causes):
            return self._skip(job, step.name, _unfit(step), now)
        if job.remediation.state is not RemediationState.RUNNING:
            return self._skip(job, step.name, "there was nothing to change", now)
        if (switch := self._remediations.killed()) is not None and step.name not in job.results:
            raise Refused(f"{switch.set_by} has switched automation off: {switch.reason}")
        action, scene = self._action(step.action), self._scene(job, step)
        began = job.results.get(step.name) or self._planned(job, step, action, scene, now)
        plan = [Planned(**entry) for entry in began.data["plan"]]
        if not plan:
            return self._skip(job, step.name, "there is nothing to change", now)
        for planned in plan:
            began = self._once(job, step, action, scene, planned, began, clock)
        texts = [str(entry["text"]) for entry in began.data["done"].values()]
        text = "; ".join(texts[:_MOST_TEXTS])
        self._remediations.put_step(replace(began, state=StepState.DONE, text=text, ended_at=clock()))
        return text

    def check(self, job: Job, rung: Step | None, now: datetime) -> tuple[bool | None, str]:
        """Is it over? True: proven; False: not by this attempt; None: not known yet, ask again."""
        name = f"verify_{rung.name}" if rung else "verify"
        if (before := job.result(name)) is not None:
            # Asked again after a crash, one that was not needed is still no failure.
            unneeded = before.state is StepState.SKIPPED and bool(job.proof)
            return _is_done(before) or unneeded, before.text
        if job.proof:
            return True, self._skip(job, name, "not needed: it is proven", now)
        tried = job.result(rung.name) if rung else None
        if rung is not None and rung is not job.rungs[-1] and tried and tried.state is StepState.SKIPPED:
            return False, self._skip(job, name, "nothing was tried", now)
        began = job.results.get(name) or self._begun(job, name, now)
        self._remediations.beat(job.incident.number, job.remediation.attempt, now)
        proven, texts = True, []
        for step in job.runbook.of(Phase.VERIFY):
            if not step.applies(job.causes):
                continue
            found, text = self._ask(job, step, began.started_at)
            texts.append(text)
            if found is None and now > began.started_at + step.within:
                return False, self._end(
                    job, began, StepState.FAILED, f"not proven within {in_words(step.within)}: {text}", now
                ).text
            if found is False:
                return False, self._end(job, began, StepState.FAILED, text, now).text
            proven = proven and found is True
        if not proven:
            return None, "; ".join(texts)
        return True, self._end(job, began, StepState.DONE, "; ".join(texts), now).text

    def waits(self, step: Step) -> bool:
        """True for a check before anything is changed."""
        return step.phase is Phase.DIAGNOSE and step.checks

    def await_(self, job: Job, step: Step, now: datetime) -> tuple[bool | None, str]:
        """A check before anything is changed: has what it waits for come? None: ask again."""
        if (before := job.result(step.name)) is not None:
            return before.state is not StepState.FAILED, before.text
        if not step.applies(job.causes):
            return True, self._skip(job, step.name, _unfit(step), now)
        began = job.results.get(step.name) or self._begun(job, step.name, now)
        found, text = self._ask(job, step, began.started_at)
        if found is True:
            return True, self._end(job, began, StepState.DONE, text, now).text
        if found is False or now > began.started_at + step.within:
            late = "" if found is False else f"not within {in_words(step.within)}: "
            state = StepState.SKIPPED if step.goes_on else StepState.FAILED
            return False, self._end(job, began, state, f"{late}{text}", now).text
        return None, text

    def ask(self, job: Job, now: datetime) -> None:
        """A person is asked to approve the plan."""
        if APPROVE not in job.results:
            number, attempt = job.incident.number, job.remediation.attempt
            until = f"{now + job.runbook.approve_within:%H:%M:%S} UTC"
            text = f"{job.runbook.name} waits for an approval until {until}. "
            asked = StepResult(number, attempt, APPROVE, StepState.RUNNING, now)
            self._remediations.ask(asked, f"{text}{job.results[PLAN].text}"[:1000], job.by, now)

    def restore(self, job: Job, step: Step, clock: Callable[[], datetime]) -> str:
        """Take back what another step has changed, once it is proven that it is not needed any more."""
        now = clock()
        if (before := job.result(step.name)) is not None:
            return before.text
        if not job.proof:
            return self._skip(job, step.name, "it stays: nothing proved that the trouble is over", now)
        other, undone = job.runbook.step(step.undoes), job.results.get(step.undoes)
        done = undone.data.get("done", {}) if undone else {}
        if other is None or undone is None or not done:
            return self._skip(job, step.name, "there is nothing to take back", now)
        action, scene = self._action(other.action), self._scene(job, other)
        plans = {entry["target"]: Planned(**entry) for entry in undone.data["plan"]}
        began = job.results.get(step.name) or self._begun(job, step.name, now)
        texts = []
        for target in reversed(list(done)):
            key = f"{job.incident.key}:{job.remediation.attempt}:{step.name}:{target}"
            number, attempt = job.incident.number, job.remediation.attempt
            if self._remediations.begin_effect(key, number, job.by, clock(), attempt) == "done":
                continue
            # Undoing puts a recorded state back, so after an interruption it may be repeated.
            back = action.undo(scene, plans[target], Done(**done[target]))
            said = back.text if back else f"{target} cannot be taken back by itself; a person has to look"
            texts.append(said)
            self._remediations.end_effect(
                key, job.incident.number, said, {"step": step.name}, job.by, clock()
            )
        text = "; ".join(texts[:_MOST_TEXTS]) or "taken back before"
        return self._end(job, began, StepState.DONE, text, clock()).text

    def conclude(self, job: Job, red: tuple[str, str] | None, now: datetime) -> Remediation:
        """The end, whatever happened. `red`: the task that broke off, and why."""
        state, reason = self._outcome(job, red)
        number, attempt = job.incident.number, job.remediation.attempt
        self._remediations.end(number, attempt, state, reason, now, job.causes)
        again = self.job(number, job.remediation.run_id)
        assert again is not None
        return again.remediation

    @staticmethod
    def _outcome(job: Job, red: tuple[str, str] | None) -> tuple[RemediationState, str]:
        unknown = next((r.text for r in job.results.values() if r.state is StepState.UNKNOWN), "")
        if unknown:
            return RemediationState.UNKNOWN, unknown
        if job.proof and red is None:
            return RemediationState.SUCCEEDED, job.proof
        if job.proof and red is not None:
            return RemediationState.FAILED, f"{job.proof}; but step {red[0]} failed: {red[1]}"
        running = next(
            (r.step for r in job.results.values() if r.state is StepState.RUNNING and _changes(job, r)), None
        )
        if running is not None:
            why = f": {red[1]}" if red else ""
            return RemediationState.UNKNOWN, f"step {running} broke off, its effect is unknown{why}"
        contained = [r.text for r in job.results.values() if _is_done(r) and _changes(job, r)]
        if contained and not job.rungs and red is None:
            return RemediationState.CONTAINED, "; ".join(contained)
        failed = [
            r for r in job.results.values() if r.step.startswith("verify") and r.state is StepState.FAILED
        ]
        if failed:
            return RemediationState.FAILED, failed[-1].text
        if red is not None:
            return RemediationState.FAILED, f"step {red[0]}: {red[1]}"
        return (
            RemediationState.UNKNOWN,
            "the steps ended without a result; somebody may have marked them by hand",
        )

    # --- inside

    def _scene(self, job: Job, step: Step) -> Scene:
        values = job.runbook.values(job.remediation.parameters)
        done = {
            f"{name}:{target}": entry.get("data", {})
            for name, result in job.results.items()
            for target, entry in (result.data.get("done") or {}).items()
            if isinstance(entry, Mapping)
        }
        return Scene(
            incident=job.incident,
            sightings=job.sightings,
            parameters=self._model(step.action, resolved(step.parameters, values)),
            found={name: result.data for name, result in job.results.items()},
            done=done,
            seconds=step.within.total_seconds(),
            attempt=job.remediation.attempt,
            started_at=job.remediation.started_at,
        )

    def _planned(self, job: Job, step: Step, action: Any, scene: Scene, now: datetime) -> StepResult:
        """The plan as it is carried out, written down before: after a crash it must not become another one.

        The first attempt does what was approved; a later one plans again, because the world has changed, and
        keeps to what was approved.
        """
        approved = {entry["target"]: entry for entry in job.plan.get(step.name, ())}
        if step.phase is Phase.REPAIR and step is not job.rungs[0]:
            fresh = {entry["target"]: entry for entry in _as_data(action.plan(scene))}
            approved = {target: fresh[target] for target in approved if target in fresh}
        began = StepResult(
            job.incident.number,
            job.remediation.attempt,
            step.name,
            StepState.RUNNING,
            now,
            data={"plan": list(approved.values()), "done": {}},
        )
        self._remediations.put_step(began)
        return began

    def _once(
        self,
        job: Job,
        step: Step,
        action: Any,
        scene: Scene,
        planned: Planned,
        began: StepResult,
        clock: Callable[[], datetime],
    ) -> StepResult:
        """One thing of a plan."""
        number, attempt = job.incident.number, job.remediation.attempt
        key = f"{job.incident.key}:{attempt}:{step.name}:{planned.target}"
        if planned.target in began.data["done"]:
            return began
        self._remediations.beat(number, attempt, clock())
        before = self._remediations.begin_effect(key, number, job.by, clock(), attempt)
        done: Done | None = None
        if before is not None:
            happened = action.happened(scene, planned)
            if happened is None:
                text = f"{planned.text}: interrupted, and nobody can tell whether it happened; look at it"
                self._end(job, began, StepState.UNKNOWN, text, clock())
                raise Unknown(text)
            if happened:
                done = Done(f"{planned.text}: found done after an interruption")
        if done is None:
            self._remediations.must_work(number, attempt, clock())  # time may have passed since the claim
            try:
                done = action.apply(scene, planned)
            except Refused as error:
                self._end(job, began, StepState.FAILED, f"{planned.text}: refused: {error}", clock())
                raise
        entry = {"text": done.text, "data": dict(done.data)}
        after = replace(began, data={**began.data, "done": {**began.data["done"], planned.target: entry}})
        detail = {"step": step.name, "target": planned.target, "attempt": attempt}
        self._remediations.end_effect(key, number, done.text, detail, job.by, clock(), after)
        return after

    def _ask(self, job: Job, step: Step, since: datetime | None = None) -> tuple[bool | None, str]:
        """Ask a check once. `since`: what it waits for is counted from then, when nothing has acted yet."""
        scene = self._scene(job, step)
        try:
            finding: Finding = self._action(step.action).look(
                replace(scene, started_at=scene.started_at or since)
            )
        except BadInput as error:
            return False, f"{step.name}: {error}"
        except IncidentResponseError as error:  # the system is away: it may come back in time
            return None, f"{step.name}: {error}"
        return finding.proven, finding.text

    def _begun(self, job: Job, name: str, now: datetime) -> StepResult:
        began = StepResult(job.incident.number, job.remediation.attempt, name, StepState.RUNNING, now)
        self._remediations.put_step(began)
        return began

    def _end(self, job: Job, began: StepResult, state: StepState, text: str, now: datetime) -> StepResult:
        ended = replace(began, state=state, text=text[:2000], ended_at=now)
        event = None
        if state is not StepState.DONE or began.step.startswith("verify"):
            data = {"attempt": began.attempt, "step": began.step, "state": state.value}
            verdict = "Proven" if state is StepState.DONE else f"Step {began.step} {state.value}"
            event = TimelineEvent(now, EventKind.REMEDIATION, job.by, f"{verdict}: {text}"[:2000], data)
        self._remediations.put_step(ended, event)
        return ended

    def _skip(self, job: Job, name: str, why: str, now: datetime) -> str:
        result = StepResult(
            job.incident.number, job.remediation.attempt, name, StepState.SKIPPED, now, why, ended_at=now
        )
        self._remediations.put_step(result)
        return why


def _as_data(plan: Sequence[Planned]) -> list[dict[str, Any]]:
    return [{"target": one.target, "text": one.text, "data": dict(one.data)} for one in plan]


def _is_done(result: StepResult) -> bool:
    return result.state is StepState.DONE


def _verifies(name: str) -> bool:
    """True for the checks after an attempt, and for those of a runbook that attempts nothing."""
    return name == "verify" or name.startswith("verify_")


def _changes(job: Job, result: StepResult) -> bool:
    step = job.runbook.step(result.step)
    return step is not None and step.changes


def _unfit(step: Step) -> str:
    wanted = f"none of {', '.join(step.when)} was found" if step.when else "something else was found"
    return f"not needed: {wanted}"
