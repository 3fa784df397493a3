"""include/runbooks/*.yaml: one executable runbook a file; the text for people is in the same file."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.runbooks import ACTIONS, Mode, Runbook, Step
from incident_response.domain.severities import Severity

from .escalation_file import ElapsedText
from .yaml_file import Model

_NAME = re.compile(r"[a-z][a-z0-9-]{1,60}")


class StepEntry(Model):
    """One step: an action with its parameters."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    action: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("action")
    @classmethod
    def _known(cls, action: str) -> str:
        if action not in ACTIONS:
            raise ValueError(f"{action!r} is no action; there are {', '.join(sorted(ACTIONS))}")
        return action


class GuardsEntry(Model):
    """What keeps it from running away (design: remediation)."""

    most_severe: Severity = Field(Severity.P1, description="It acts by itself up to this severity.")
    attempts: int = Field(2, ge=1, le=20, description="Per target and window.")
    window: ElapsedText = "6 h"
    cooldown: ElapsedText = "5 min"
    max_targets: int = Field(5, ge=1, le=1000, description="Runs touched by one remediation.")
    time_limit: ElapsedText = "2 h"


class RunbookFile(Model):
    """The whole file."""

    name: str
    version: int = Field(ge=1)
    title: str = Field(min_length=1, max_length=120)
    text: str = Field(min_length=1, description="Markdown: symptoms, cautions, manual fall-back.")
    mode: Mode = Mode.AUTO
    guards: GuardsEntry = Field(default_factory=GuardsEntry)
    hold_down: ElapsedText | None = None
    escalate_to: Literal[1, 2, 3, 4] = 2
    steps: tuple[StepEntry, ...] = Field(description="Empty: a written runbook, for people only.")

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("lower-case letters, digits and hyphens only")
        return name

    @field_validator("steps")
    @classmethod
    def _sane_steps(cls, steps: tuple[StepEntry, ...]) -> tuple[StepEntry, ...]:
        names = [step.name for step in steps]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two are named {twice[0]!r}")
        actions = [step.action for step in steps]
        changing = [index for index, action in enumerate(actions) if ACTIONS[action]]
        if changing and "guard" not in actions[: changing[0]]:
            raise ValueError(f"{actions[changing[0]]} changes things; a `guard` step must come before it")
        return steps


def runbook(content: RunbookFile) -> Runbook:
    """The domain's runbook."""
    guards = content.guards
    return Runbook(
        name=content.name,
        version=content.version,
        title=content.title,
        text=content.text,
        steps=tuple(Step(step.name, step.action, step.parameters) for step in content.steps),
        mode=content.mode,
        most_severe=guards.most_severe,
        attempts=guards.attempts,
        window=Span.parse(guards.window).elapsed,
        cooldown=Span.parse(guards.cooldown).elapsed,
        time_limit=Span.parse(guards.time_limit).elapsed,
        max_targets=guards.max_targets,
        hold_down=None if content.hold_down is None else Span.parse(content.hold_down).elapsed,
        escalate_to=content.escalate_to,
    )
