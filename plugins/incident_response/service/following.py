"""Following: what of a plan has to wait for the rest of it is done as soon as its time has come.

A failed run may have been waited for by another one, and that one by a third: each can be repaired only when
the one before is well. No worker is held for it: the check behind the attempt asks, and a worker acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Finding, Planned
from incident_response.domain.errors import IncidentResponseError, Refused, Unknown
from incident_response.domain.records import Sighting
from incident_response.domain.runbooks import Phase, Step, StepResult, StepState
from incident_response.domain.timeline import EventKind, TimelineEvent

from .acting import Acting
from .checking import Checking
from .job import LEFT, Job, is_done
from .late_runs import LATE, late_runs, run_of
from .planning import as_data, may_act
from .skipping import check_of


class Following(Acting, Checking):
    """Each thing once, under its key, like all that is done."""

    def due(self, job: Job, rung: Step | None) -> bool:
        """Has the time come for something that had to wait? Nothing is changed.

        What can never be done any more is due, too: whoever does it says why not.
        """
        acted = _acted(job, rung)
        if rung is None or acted is None:
            return False
        if not job.asks and late_runs(job, acted):
            return True
        action, scene = self._action(rung.action), self._scene(job, rung)
        try:
            return any(may_act(action, scene, planned).proven is True for planned in _waiting(acted))
        except Refused:
            return True
        except IncidentResponseError:  # the system is away
            return False

    def check(
        self, job: Job, rung: Step | None, now: datetime, *, acts: bool = True
    ) -> tuple[bool | None, str]:
        """Do what is due, then ask whether it is over. `acts` False: a triggerer only asks."""
        acted = _acted(job, rung)
        if not acts or rung is None or acted is None:
            return super().check(job, rung, now)
        try:
            job, acted = self._grow(job, rung, acted, now)
            acted = self._follow(job, rung, acted, now)
        except (Refused, Unknown) as error:
            name = check_of(rung)
            began = job.results.get(name) or self._begun(job, name, now)
            return False, self._end(job, began, StepState.FAILED, str(error), now).text
        except IncidentResponseError as error:  # the system is away: it may come back in time
            return None, f"{rung.name}: {error}"
        return super().check(replace(job, results={**job.results, rung.name: acted}), rung, now)

    def _follow(self, job: Job, rung: Step, acted: StepResult, now: datetime) -> StepResult:
        if not _waiting(acted):
            return acted
        action, scene = self._action(rung.action), self._scene(job, rung)
        for planned in _waiting(acted):
            if may_act(action, scene, planned).proven is not True:
                continue
            if (switch := self._remediations.killed()) is not None:
                raise Refused(f"{switch.set_by} has switched automation off: {switch.reason}")
            acted = self._once(job, rung, action, scene, planned, acted, lambda: now)
        return acted

    def _grow(self, job: Job, rung: Step, acted: StepResult, now: datetime) -> tuple[Job, StepResult]:
        """Take in what waited and failed late. What a person would have to approve is left: it is taken in on
        its own when this is over.
        """
        late = late_runs(job, acted) if not job.asks else ()
        if not late:
            return job, acted
        wider = self._looked_again(job, late)
        try:
            fresh = as_data(self._action(rung.action).plan(self._scene(wider, rung)))
        except Refused:
            fresh = []
        plan = list(acted.data.get("plan", ()))
        known = {entry["target"] for entry in plan}
        more = [entry for entry in fresh if entry["target"] not in known]
        fits = more and len(known) + len(more) <= job.runbook.max_targets
        fits = fits and not any(entry.get("asks") for entry in more)
        tried = [list(run) for run in dict.fromkeys(run_of(one) for one in late)]
        data = {**acted.data, LATE: [*acted.data.get(LATE, ()), *tried]}
        if not fits:
            acted = replace(acted, data=data)
            self._remediations.put_step(acted)
            return job, acted
        acted = replace(acted, data={**data, "plan": [*plan, *more]})
        text = f"Plan: {'; '.join(str(entry['text']) for entry in more)}"
        event = TimelineEvent(now, EventKind.REMEDIATION, job.by, text[:2000], {"attempt": acted.attempt})
        for name, result in wider.results.items():
            if result is not job.results.get(name):
                self._remediations.put_step(result)
        self._remediations.put_step(acted, event)
        return replace(wider, results={**wider.results, rung.name: acted}), acted

    def _looked_again(self, job: Job, late: Sequence[Sighting]) -> Job:
        """With what the looks at runs say of the late ones."""
        results = dict(job.results)
        for step in job.runbook.of(Phase.DIAGNOSE):
            before = results.get(step.name)
            if before is None or "runs" not in before.data:
                continue
            scene = replace(self._scene(job, step), sightings=late)
            found: Finding = self._action(step.action).look(scene)
            runs = [*before.data["runs"], *found.data.get("runs", ())]
            results[step.name] = replace(before, data={**before.data, "runs": runs})
        return replace(job, results=results)


def _acted(job: Job, rung: Step | None) -> StepResult | None:
    """The attempt that is being checked: it has acted, and nothing is proven yet."""
    found = job.result(rung.name) if rung is not None else None
    if rung is None or found is None or not is_done(found) or job.proof:
        return None
    return found if job.result(check_of(rung)) is None else None


def _waiting(acted: StepResult) -> Sequence[Planned]:
    done: Mapping[str, Any] = acted.data.get("done") or {}
    over = {*done, *acted.data.get(LEFT, ())}
    return [Planned(**entry) for entry in acted.data.get("plan", ()) if entry["target"] not in over]
