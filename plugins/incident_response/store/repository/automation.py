"""Steps of remediations and their evidence, leases on targets, switches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from incident_response.domain.automation import Lease, Switch, Touch, target_of
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.runbooks import StepResult

from .. import tables
from ..dialect import Many
from .part import Part
from .reading import ALONE_WITH


def _names(record: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _upsert(table: Any, record: type[Any], *key: str) -> Many:
    rest = ", ".join(f"{name} = excluded.{name}" for name in _names(record) if name not in key)
    return Many.insert(table, _names(record), f"({', '.join(key)}) DO UPDATE SET {rest}")


def _select(table: Any, record: type[Any]) -> str:
    return f"SELECT {', '.join(_names(record))} FROM {{s}}{table.name}"


_STEP = _upsert(tables.steps, StepResult, "incident", "attempt", "step")
_STEPS = _select(tables.steps, StepResult) + " WHERE incident = :incident ORDER BY attempt, started_at, step"
_EXHIBIT = _upsert(tables.exhibits, KeptExhibit, "incident", "attempt", "step", "name")
_EXHIBITS = _select(tables.exhibits, KeptExhibit) + " WHERE incident = :incident ORDER BY kept_at, step, name"
_LEASE = _upsert(tables.leases, Lease, "target")
_LEASED = _select(tables.leases, Lease) + " WHERE target = :target"
_LEASES = _select(tables.leases, Lease) + " ORDER BY taken_at"
_FREE = "DELETE FROM {s}leases WHERE incident = :incident AND attempt = :attempt"
_SWITCH = _upsert(tables.switches, Switch, "name")
_SWITCHES = _select(tables.switches, Switch) + " ORDER BY name"
# The key of an effect names the remediation and the step, then the thing: INC-42:1:clear:run:dag/run_id.
_TOUCHES = (
    "SELECT effects.key, remediations.incident, remediations.attempt, remediations.started_at, "
    "remediations.ended_at "
    "FROM {s}remediations AS remediations JOIN {s}effects AS effects "
    "ON effects.incident = remediations.incident AND effects.key "
    "LIKE 'INC-' || remediations.incident || ':' || remediations.attempt || ':%' "
    "WHERE remediations.runbook = :runbook AND remediations.started_at > :since "
    # What was refused while it was at work has touched only what was done by then.
    "AND (remediations.state <> 'refused' OR effects.state = 'done') "
    "ORDER BY remediations.started_at, effects.key"
)
_ACTED = "SELECT count(*) FROM {s}remediations WHERE started_at > :since AND requested_by LIKE 'system:%'"


class Automation(Part):
    """What runbooks do, and what bounds them."""

    def put_step(self, result: StepResult) -> None:
        self._leave((_STEP, [self._mappers.step.row(result)]))

    def steps(self, number: int) -> Sequence[StepResult]:
        return self._records(self._mappers.step, _STEPS, incident=number)

    def add_exhibits(self, exhibits: Sequence[KeptExhibit]) -> None:
        self._leave((_EXHIBIT, [self._mappers.exhibit.row(exhibit) for exhibit in exhibits]))

    def exhibits(self, number: int) -> Sequence[KeptExhibit]:
        return self._records(self._mappers.exhibit, _EXHIBITS, incident=number)

    def lease(self, target: str) -> Lease | None:
        statement = f"{_LEASED} {{lock}}" if self._writes else _LEASED
        return next(iter(self._records(self._mappers.lease, statement, target=target)), None)

    def put_lease(self, lease: Lease) -> None:
        self._leave((_LEASE, [self._mappers.lease.row(lease)]))

    def free_leases(self, number: int, attempt: int) -> None:
        self._run(_FREE, incident=number, attempt=attempt)

    def leases(self) -> Sequence[Lease]:
        return self._records(self._mappers.lease, _LEASES)

    def put_switch(self, switch: Switch) -> None:
        self._leave((_SWITCH, [self._mappers.switch.row(switch)]))

    def switches(self) -> Sequence[Switch]:
        return self._records(self._mappers.switch, _SWITCHES)

    def touches(self, runbook: str, targets: Collection[str], since: datetime) -> Sequence[Touch]:
        if self._writes and self._dialect.name == "postgresql":
            for target in sorted(targets):
                self._rows(ALONE_WITH, target=target)
        moment = self._codec.read_moment
        rows = self._rows(_TOUCHES, runbook=runbook, since=self._codec.moment(since))
        found = [
            Touch(
                target_of(key), incident, attempt, moment(began), moment(ended) if ended is not None else None
            )
            for key, incident, attempt, began, ended in rows
        ]
        return list(dict.fromkeys(touch for touch in found if touch.target in targets))

    def acted_since(self, since: datetime) -> int:
        return int(self._value(_ACTED, since=self._codec.moment(since)) or 0)
