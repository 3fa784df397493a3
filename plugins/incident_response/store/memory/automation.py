"""Steps of remediations and their evidence, leases on targets, switches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from incident_response.domain.automation import Lease, Switch
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.runbooks import StepResult

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

    def acted_since(self, since: datetime) -> int:
        return sum(
            r.started_at is not None and r.started_at > since and r.requested_by.startswith("system:")
            for r in self._state.remediations.values()
        )
