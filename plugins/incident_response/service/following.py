"""Following: what of a plan has to wait for the rest of it is done as soon as its time has come.

A failed run may have been waited for by another one, and that one by a third: each can be repaired only when
the one before is well. No worker is held for it: the check behind the attempt asks, and a worker acts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.domain.actions import Planned
from incident_response.domain.errors import IncidentResponseError, Refused, Unknown
from incident_response.domain.runbooks import Step, StepResult, StepState

from .acting import Acting
from .checking import Checking
from .job import Job, is_done
from .planning import may_act
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
            acted = self._follow(job, rung, acted, now)
        except (Refused, Unknown) as error:
            name = check_of(rung)
            began = job.results.get(name) or self._begun(job, name, now)
            return False, self._end(job, began, StepState.FAILED, str(error), now).text
        except IncidentResponseError as error:  # the system is away: it may come back in time
            return None, f"{rung.name}: {error}"
        return super().check(replace(job, results={**job.results, rung.name: acted}), rung, now)

    def _follow(self, job: Job, rung: Step, acted: StepResult, now: datetime) -> StepResult:
        action, scene = self._action(rung.action), self._scene(job, rung)
        for planned in _waiting(acted):
            if may_act(action, scene, planned).proven is not True:
                continue
            if (switch := self._remediations.killed()) is not None:
                raise Refused(f"{switch.set_by} has switched automation off: {switch.reason}")
            acted = self._once(job, rung, action, scene, planned, acted, lambda: now)
        return acted


def _acted(job: Job, rung: Step | None) -> StepResult | None:
    """The attempt, when something of its plan has not been done yet, and is still wanted."""
    found = job.result(rung.name) if rung is not None else None
    open_ = found is not None and rung is not None and job.result(check_of(rung)) is None and not job.proof
    return found if open_ and found is not None and is_done(found) and _waiting(found) else None


def _waiting(acted: StepResult) -> Sequence[Planned]:
    done: Mapping[str, Any] = acted.data.get("done") or {}
    return [Planned(**entry) for entry in acted.data.get("plan", ()) if entry["target"] not in done]
