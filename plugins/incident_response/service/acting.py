"""Acting: each thing of a plan once, under a key written before; and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused, StoppedByPerson, Unknown
from incident_response.domain.runbooks import Phase, Step, StepResult, StepState

from .job import LEFT, MOST_TEXTS, Job
from .planning import as_data, may_act
from .skipping import UNCHANGED, UNTOUCHED, Skipping


class Acting(Skipping):
    """Every call may be repeated after a crash: what was done is not done again."""

    def act(self, job: Job, step: Step, clock: Callable[[], datetime]) -> str:
        """Run a step that changes things: each thing of its plan once, under a key written before."""
        now = clock()
        if (before := job.result(step.name)) is not None:
            return before.text
        if why := self._why_not(job, step):
            return self._skip(job, step.name, why, now)
        if (switch := self._remediations.killed()) is not None and step.name not in job.results:
            raise Refused(f"{switch.set_by} has switched automation off: {switch.reason}")
        action, scene = self._action(step.action), self._scene(job, step)
        began = job.results.get(step.name) or self._planned(job, step, action, scene, now)
        plan = [Planned(**entry) for entry in began.data["plan"]]
        if not plan:
            return self._skip(job, step.name, UNCHANGED, now)
        stopped: list[StoppedByPerson] = []
        left, later = [], []
        for planned in plan:
            if (found := may_act(action, scene, planned)).proven is not True:
                later.append(found.text)
                continue
            try:
                began = self._once(job, step, action, scene, planned, began, clock)
            except StoppedByPerson as stop:  # the others are nobody's decision
                stopped.append(stop)
                left.append(planned.target)
        if stopped and not began.data["done"]:
            self._end(job, began, StepState.FAILED, str(stopped[0]), clock())
            raise stopped[0]
        if left:
            began = replace(began, data={**began.data, LEFT: left})
        texts = [*(str(entry["text"]) for entry in began.data["done"].values()), *later]
        texts += [f"left alone, {stop}" for stop in stopped]
        text = "; ".join(texts[:MOST_TEXTS])
        self._remediations.put_step(replace(began, state=StepState.DONE, text=text, ended_at=clock()))
        return text

    def restore(self, job: Job, step: Step, clock: Callable[[], datetime]) -> str:
        """Take back what another step has changed, once it is proven that it is not needed any more."""
        now = clock()
        if (before := job.result(step.name)) is not None:
            return before.text
        if not job.proof:
            return self._skip(job, step.name, "it stays: nothing proved that the trouble is over", now)
        other, undone = job.runbook.step(step.undoes), job.results.get(step.undoes)
        if other is None or undone is None or not self._changed(job, step):
            return self._skip(job, step.name, UNTOUCHED, now)
        done = undone.data["done"]
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
        text = "; ".join(texts[:MOST_TEXTS]) or "taken back before"
        return self._end(job, began, StepState.DONE, text, clock()).text

    def _planned(self, job: Job, step: Step, action: Any, scene: Scene, now: datetime) -> StepResult:
        """The plan as it is carried out, written down before: after a crash it must not become another one.

        The first attempt does what was approved; a later one plans again, because the world has changed, and
        keeps to what was approved.
        """
        approved = {entry["target"]: entry for entry in job.plan.get(step.name, ())}
        if step.phase is Phase.REPAIR and step is not job.rungs[0]:
            fresh = {entry["target"]: entry for entry in as_data(action.plan(scene))}
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
            except StoppedByPerson:
                raise
            except Refused as error:
                self._end(job, began, StepState.FAILED, f"{planned.text}: refused: {error}", clock())
                raise
        entry = {"text": done.text, "data": dict(done.data)}
        after = replace(began, data={**began.data, "done": {**began.data["done"], planned.target: entry}})
        detail = {"step": step.name, "target": planned.target, "attempt": attempt}
        self._remediations.end_effect(key, number, done.text, detail, job.by, clock(), after)
        return after
