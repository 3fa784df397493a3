"""Rules that turn a signal into severity, scenario, service, cause and runbook; the first match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .frozen import revived
from .grounds import Ground, ground_of
from .identity import DEDUP_VERSION, PARTS_VERSION, Which, key_of, parts_of
from .services import ServiceMap
from .severities import Scenario, Severity
from .signals import ALERTNAME, Signal

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
    evidence: Ground = Ground.SYMPTOM  # what the signal itself stands on


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
    evidence: Ground = Ground.SYMPTOM  # hard: the alert itself is the failure, not a sign of it
    # Labels that tell one thing from another of the same service and cause; None: what the texts do not say.
    which: Which | tuple[str, ...] | None = None

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((label, re.compile(pattern)) for label, pattern in self.match.items())

    @cached_property
    def _texts(self) -> tuple[Text, Text, Text]:
        return _parts(self.service), _parts(self.cause), _parts(self.title)

    @cached_property
    def _said(self) -> frozenset[str]:
        """The labels that service and cause are made of."""
        return frozenset((*self._texts[0][1::2], *self._texts[1][1::2]))

    @cached_property
    def _which(self) -> Which | tuple[str, ...]:
        if self.which is not None:
            return self.which
        if "service" not in self._texts[0][1::2] or self._said - {"service", ALERTNAME}:
            return Which.NOTHING  # the rule knows what it is about
        # A cause that is the alert's name is one that no rule knows: then its labels say which thing it is.
        return Which.LABELS if ALERTNAME in self._texts[1] else Which.PARTS

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches its pattern."""
        return all(pattern.fullmatch(labels.get(label, "")) for label, pattern in self._patterns)

    def may_match(self, alertname: str) -> bool:
        """False when no signal of this name can match."""
        return all(pattern.fullmatch(alertname) for label, pattern in self._patterns if label == ALERTNAME)

    def apply(
        self, signal: Signal, labels: Mapping[str, str], services: ServiceMap | None = None
    ) -> Classification:
        """The decision this rule makes for `signal`, whose labels may have been completed."""
        texts = self._texts
        values: Mapping[str, str] = {"summary": signal.summary, **labels}
        service = _fill(texts[0], values)
        found = {
            "rule": self.name,
            "severity": _tagged(signal) or self.severity or _labelled(signal) or Severity.P3,
            "scenario": self.scenario,
            "service": service,
            "dedup_key": self._key(labels, service, _fill(texts[1], values), services),
            "title": _fill(texts[2], values)[:200],
            "runbook": self.runbook,
            "level": self.level,
            "event_like": self.event_like,
            "evidence": ground_of(signal.details, self.evidence),
        }
        return revived(Classification, found)  # one for each signal of a storm

    def _key(self, labels: Mapping[str, str], service: str, cause: str, services: ServiceMap | None) -> str:
        parts = parts_of(self._which, labels, service, self._said, services)
        if not parts:
            return key_of(DEDUP_VERSION, self.scenario.value, service, cause)
        return key_of(PARTS_VERSION, self.scenario.value, service, cause, *("=".join(p) for p in parts))


_LAST_RESORT = Rule(name="default")


class Rules:
    """All rules in order: the first that matches decides; a last resort named `default` always does."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = (*rules, _LAST_RESORT)
        self._by_name: dict[str, tuple[Rule, ...]] = {}
        self._decided: dict[tuple[object, ...], Classification] = {}

    def __iter__(self) -> Iterator[Rule]:
        """The rules that were given."""
        return iter(self._rules[:-1])

    def __len__(self) -> int:
        return len(self._rules) - 1

    def classify(
        self, signal: Signal, service: str | None = None, services: ServiceMap | None = None
    ) -> Classification:
        """What the first matching rule says. `service` is what the label of this name is taken for, by `services`."""
        # All that a rule looks at.
        evidence, naming = ground_of(signal.details, Ground.SYMPTOM), services.naming if services else 0
        about = (signal.fingerprint, service, signal.summary, _tagged(signal), evidence, naming)
        found = self._decided.get(about)
        if found is None:
            if len(self._decided) >= _MOST:
                self._decided.clear()
            found = self._decided[about] = self._decide(signal, service, services)
        return found

    def _decide(self, signal: Signal, service: str | None, services: ServiceMap | None) -> Classification:
        labels = signal.labels if service is None else {**signal.labels, "service": service}
        rule = next(rule for rule in self._for(signal.alertname) if rule.matches(labels))
        return rule.apply(signal, labels, services)

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
