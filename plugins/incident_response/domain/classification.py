"""Rules that turn a signal into severity, scenario, service, cause and runbook; the first match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .frozen import revived
from .keys import bounded
from .patterns import Pattern, pattern
from .safe_text import visible
from .severities import Scenario, Severity
from .signals import ALERTNAME, Signal

DEDUP_VERSION = "v1"
_KEY = 255  # characters of a dedup_key: it is indexed
_FIELD = re.compile(r"\{(\w+)\}")
_MOST = 2000  # names, and decisions, that are remembered: they come from outside and must not fill the memory


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


Text = tuple[str, ...]


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
    def _patterns(self) -> tuple[tuple[str, Pattern], ...]:
        return tuple((label, pattern(text)) for label, text in self.match.items())

    @cached_property
    def _texts(self) -> tuple[Text, Text, Text]:
        return _parts(self.service), _parts(self.cause), _parts(self.title)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches its pattern."""
        return all(one.matches(labels.get(label, "")) for label, one in self._patterns)

    def may_match(self, alertname: str) -> bool:
        """False when no signal of this name can match."""
        return all(one.matches(alertname) for label, one in self._patterns if label == ALERTNAME)

    def apply(self, signal: Signal, labels: Mapping[str, str]) -> Classification:
        """The decision this rule makes for `signal`, whose labels may have been completed."""
        texts = self._texts
        values: Mapping[str, str] = {"summary": signal.summary, **labels}
        service = _fill(texts[0], values)
        found = {
            "rule": self.name,
            "severity": _tagged(signal) or self.severity or _labelled(signal) or Severity.P3,
            "scenario": self.scenario,
            "service": service,
            "dedup_key": bounded(
                f"{DEDUP_VERSION}:{self.scenario.value}:{service}:{_fill(texts[1], values)}", _KEY
            ),
            "title": visible(_fill(texts[2], values))[:200],
            "runbook": self.runbook,
            "level": self.level,
            "event_like": self.event_like,
        }
        return revived(Classification, found)  # one for each signal of a storm


_LAST_RESORT = Rule(name="default")


class Rules:
    """All rules in order: the first that matches decides; a last resort named `default` always does."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = (*rules, _LAST_RESORT)
        self._by_name: dict[str, tuple[Rule, ...]] = {}
        self._decided: dict[tuple[str, str | None, str, Severity | None], Classification] = {}

    def __iter__(self) -> Iterator[Rule]:
        """The rules that were given."""
        return iter(self._rules[:-1])

    def __len__(self) -> int:
        return len(self._rules) - 1

    def classify(self, signal: Signal, service: str | None = None) -> Classification:
        """What the first matching rule says. `service` is what the label of this name is taken for."""
        about = (signal.fingerprint, service, signal.summary, _tagged(signal))  # all that a rule looks at
        found = self._decided.get(about)
        if found is None:
            if len(self._decided) >= _MOST:
                self._decided.clear()
            found = self._decided[about] = self._decide(signal, service)
        return found

    def _decide(self, signal: Signal, service: str | None) -> Classification:
        labels = signal.labels if service is None else {**signal.labels, "service": service}
        rule = next(rule for rule in self._for(signal.alertname) if rule.matches(labels))
        return rule.apply(signal, labels)

    def _for(self, alertname: str) -> tuple[Rule, ...]:
        """The rules that may match a name: a storm has many signals and few names."""
        found = self._by_name.get(alertname)
        if found is None:
            if len(self._by_name) >= _MOST:
                self._by_name.clear()
            found = tuple(rule for rule in self._rules if rule.may_match(alertname))
            self._by_name[alertname] = found
        return found


def _tagged(signal: Signal) -> Severity | None:
    """A DAG's tag P1 … P4 is its owner's word and beats every rule; the sources put it into `details`."""
    tagged = signal.details.get("tagged_severity")
    return _NAMED.get(tagged) if isinstance(tagged, str) else None


_NAMED = {severity.value: severity for severity in Severity}
_LABELS = {**_NAMED, "critical": Severity.P2, "warning": Severity.P3, "info": Severity.P4}


def _labelled(signal: Signal) -> Severity | None:
    return _LABELS.get(signal.labels.get("severity", ""))


def _parts(template: str) -> Text:
    """Literals and label names in turn: `{dag_id} failed` → ("", "dag_id", " failed")."""
    return tuple(_FIELD.split(template))


def _fill(text: Text, values: Mapping[str, str]) -> str:
    if len(text) == 3 and not text[0] and not text[2]:  # most texts are one label
        return str(values.get(text[1]) or "unknown")
    return "".join(
        [str(values.get(part) or "unknown") if place % 2 else part for place, part in enumerate(text)]
    )
