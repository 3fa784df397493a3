"""Job: a remediation at work, as its store has it, and what its steps have come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incident_response.domain.incidents import Incident
from incident_response.domain.records import Sighting
from incident_response.domain.runbooks import (
    Mode,
    Phase,
    Remediation,
    Runbook,
    Step,
    StepResult,
    StepState,
)

PLAN = "plan"
MOST_TEXTS = 20  # lines of a plan, or of what was done, in one text


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
    def about(self) -> tuple[str, ...]:
        """What the incident and its signals are about: its service, and the tables and DAGs they name."""
        named = (one.labels.get(label) for one in self.sightings for label in ("service", "table", "dag_id"))
        return tuple(dict.fromkeys((self.incident.service, *(name for name in named if name))))

    @property
    def proof(self) -> str:
        """What proved that it worked, empty when nothing has."""
        proofs = (r.text for name, r in self.results.items() if verifies(name) and is_done(r))
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

    @property
    def attempts(self) -> tuple[Step, ...]:
        """The rungs that are meant for what was found; none: it only contains."""
        return tuple(rung for rung in self.rungs if rung.applies(self.causes, self.about))

    @property
    def asks(self) -> bool:
        """True when a person has to approve the plan."""
        return self.runbook.mode_for(self.incident.severity) is Mode.APPROVE and self.targets > 0

    def result(self, step: str) -> StepResult | None:
        """What became of a step that has ended."""
        found = self.results.get(step)
        return found if found is not None and found.ended_at is not None else None


def is_done(result: StepResult) -> bool:
    """True when it has ended well."""
    return result.state is StepState.DONE


def verifies(name: str) -> bool:
    """True for the checks after an attempt, and for those of a runbook that attempts nothing."""
    return name == "verify" or name.startswith("verify_")


def changes(job: Job, result: StepResult) -> bool:
    """True when its step changes something."""
    step = job.runbook.step(result.step)
    return step is not None and step.changes


def unfit(job: Job, step: Step) -> str:
    """Why a step that does not apply is skipped."""
    if not step.concerns(job.about):
        return f"not needed: it is for {', '.join(step.services)}"
    wanted = f"none of {', '.join(step.when)} was found" if step.when else "something else was found"
    return f"not needed: {wanted}"
