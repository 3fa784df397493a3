"""Steps of remediations and their evidence, leases on targets, switches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from incident_response.domain.automation import Lease, Switch, Touch, target_of
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.runbooks import RemediationState, StepResult

from .state import Part
from .stored import stored


class Automation(Part):
    """What runbooks do, and what bounds them."""

    def put_step(self, result: StepResult) -> None:
        self._state.steps[(result.incident, result.attempt, result.step)] = stored(result)

    def steps(self, number: int) -> Sequence[StepResult]:
        found = [step for step in self._state.steps.values() if step.incident == number]
        return sorted(found, key=lambda step: (step.attempt, step.started_at, step.step))

    def add_exhibits(self, exhibits: Sequence[KeptExhibit]) -> None:
        for exhibit in exhibits:
            key = (exhibit.incident, exhibit.attempt, exhibit.step, exhibit.name)
            self._state.exhibits[key] = stored(exhibit)

    def exhibits(self, number: int) -> Sequence[KeptExhibit]:
        found = [exhibit for exhibit in self._state.exhibits.values() if exhibit.incident == number]
        return sorted(found, key=lambda exhibit: (exhibit.kept_at, exhibit.step, exhibit.name))

    def lease(self, target: str) -> Lease | None:
        return self._state.leases.get(target)

    def put_lease(self, lease: Lease) -> None:
        self._state.leases[lease.target] = stored(lease)

    def free_leases(self, number: int, attempt: int) -> None:
        leases = self._state.leases
        for target in [t for t, one in leases.items() if (one.incident, one.attempt) == (number, attempt)]:
            del leases[target]

    def leases(self) -> Sequence[Lease]:
        return sorted(self._state.leases.values(), key=lambda lease: lease.taken_at)

    def put_switch(self, switch: Switch) -> None:
        self._state.switches[switch.name] = stored(switch)

    def switches(self) -> Sequence[Switch]:
        return sorted(self._state.switches.values(), key=lambda switch: switch.name)

    def touches(self, runbook: str, targets: Collection[str], since: datetime) -> Sequence[Touch]:
        found: list[Touch] = []
        for r in self._state.remediations.values():
            if r.runbook != runbook or r.started_at is None or r.started_at <= since:
                continue
            mine = f"INC-{r.incident}:{r.attempt}:"
            found += [
                Touch(target_of(key), r.incident, r.attempt, r.started_at, r.ended_at)
                for key, effect in sorted(self._state.effects.items(), key=lambda item: item[0])
                if key.startswith(mine) and target_of(key) in targets
                if r.state is not RemediationState.REFUSED or effect.state == "done"
            ]
        return sorted(dict.fromkeys(found), key=lambda touch: touch.started_at)

    def acted_since(self, since: datetime) -> int:
        return sum(
            r.started_at is not None and r.started_at > since and r.requested_by.startswith("system:")
            for r in self._state.remediations.values()
        )
