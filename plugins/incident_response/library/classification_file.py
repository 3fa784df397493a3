"""include/policy/classification.yaml: labels → severity, scenario, service, cause, level, runbook."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from incident_response.domain.classification import Rule, Rules
from incident_response.domain.grounds import Ground
from incident_response.domain.identity import Which
from incident_response.domain.severities import Scenario, Severity

from .yaml_file import Misplaced, Model


class RuleEntry(Model):
    """One rule; the first whose `match` fits decides."""

    name: str = Field(min_length=1, max_length=80, description="Recorded with each decision.")
    match: dict[str, str] = Field(
        default_factory=dict, description="Label → regular expression, whole value."
    )
    severity: Severity | None = Field(
        None, description="Empty: from the signal's own severity label, else P3."
    )
    scenario: Scenario = Scenario.OTHER
    service: str = "{service}"
    cause: str = "{alertname}"
    title: str = "{summary}"
    runbook: str | None = None
    level: Literal[1, 2, 3, 4] = 1
    event_like: bool = Field(False, description="True: going quiet proves nothing; a verification has to.")
    evidence: Ground = Field(
        Ground.SYMPTOM, description="hard: the alert itself is the failure; no other incident mutes it."
    )
    which: Which | tuple[str, ...] | None = Field(
        None,
        description="Labels that tell one thing from another of this service and cause: a list, `labels` (all), "
        "`parts` (hosts, queues …), `nothing`. Empty: `labels` where the cause is the alert's name, else `parts`.",
    )

    @field_validator("match")
    @classmethod
    def _patterns(cls, match: dict[str, str]) -> dict[str, str]:
        for label, pattern in match.items():
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"{label}: {pattern!r} is no regular expression: {error}") from None
        return match


class ClassificationFile(Model):
    """The whole file."""

    version: Literal[1]
    rules: tuple[RuleEntry, ...]

    @model_validator(mode="after")
    def _unique(self) -> ClassificationFile:
        names = [rule.name for rule in self.rules]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise Misplaced(
                    f"two rules are named {name!r}; a decision is recorded by its rule's name",
                    "rules", place, "name",
                )  # fmt: skip
        return self


def rules(content: ClassificationFile) -> Rules:
    """The domain's rules, in order."""
    return Rules(Rule(**entry.model_dump()) for entry in content.rules)


# In force while classification.yaml is broken and was never read well in this process: group sanely, page
# people.
FALLBACK = Rules(
    [
        Rule(
            name="fallback: pipeline",
            match={"dag_id": ".+"},
            scenario=Scenario.DAG_FAILURE,
            service="{dag_id}",
            event_like=True,
        ),
        Rule(name="fallback", severity=Severity.P2),
    ]
)
