"""Rules that turn a signal into severity, scenario, service, cause and runbook; the first match wins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .severities import Scenario, Severity
from .signals import Signal

DEDUP_VERSION = "v1"
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Classification:
    """What a rule says of a signal. `rule` is its name, recorded with the incident."""

    rule: str
    severity: Severity
    scenario: Scenario
    service: str
    dedup_key: str
    title: str
    runbook: str | None
    level: int
    event_like: bool


@dataclass(frozen=True)
class Rule:
    """One classification rule.

    Texts may name labels in braces: `{dag_id}`; a missing label reads as `unknown`.
    """

    name: str
    match: Mapping[str, str] = field(default_factory=dict)  # label → regular expression for the whole value
    severity: Severity | None = None  # None: from the signal's `severity` label, else P3
    scenario: Scenario = Scenario.OTHER
    service: str = "{service}"
    cause: str = "{alertname}"  # with the service it makes the dedup_key: one incident per cause
    title: str = "{summary}"
    runbook: str | None = None
    level: int = 1  # level that is paged first (procedures §4.1: jumps)
    event_like: bool = False  # an event going quiet proves nothing: it needs a verification

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((label, re.compile(pattern)) for label, pattern in self.match.items())

    def matches(self, signal: Signal) -> bool:
        """True when every named label's whole value matches its pattern."""
        return all(pattern.fullmatch(signal.labels.get(label, "")) for label, pattern in self._patterns)

    def apply(self, signal: Signal) -> Classification:
        """The decision this rule makes for `signal`."""
        service = _fill(self.service, signal)
        return Classification(
            rule=self.name,
            severity=_tagged(signal) or self.severity or _labelled(signal) or Severity.P3,
            scenario=self.scenario,
            service=service,
            dedup_key=f"{DEDUP_VERSION}:{self.scenario.value}:{service}:{_fill(self.cause, signal)}"[:255],
            title=_fill(self.title, signal)[:200],
            runbook=self.runbook,
            level=self.level,
            event_like=self.event_like,
        )


def classify(rules: Sequence[Rule], signal: Signal) -> Classification:
    """Apply the first rule that matches; a last resort named `default` always does."""
    for rule in rules:
        if rule.matches(signal):
            return rule.apply(signal)
    return Rule(name="default").apply(signal)


def _tagged(signal: Signal) -> Severity | None:
    """A DAG's tag P1 … P4 is its owner's word and beats every rule; the sources put it into `details`."""
    tagged = signal.details.get("tagged_severity")
    return Severity(tagged) if tagged in Severity.__members__ else None


_LABELS = {"critical": Severity.P2, "warning": Severity.P3, "info": Severity.P4}


def _labelled(signal: Signal) -> Severity | None:
    text = signal.labels.get("severity", "")
    return Severity(text) if text in Severity.__members__ else _LABELS.get(text)


def _fill(template: str, signal: Signal) -> str:
    values = {"summary": signal.summary, **signal.labels}
    return _FIELD.sub(lambda found: str(values.get(found.group(1)) or "unknown"), template)
