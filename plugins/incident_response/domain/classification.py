"""Rules that turn a signal into severity, scenario, service, cause and runbook; the first match wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .frozen import revived
from .severities import Scenario, Severity
from .signals import ALERTNAME, Signal
from .witnesses import Doubt, Word, heard

DEDUP_VERSION = "v1"
_FIELD = re.compile(r"\{(\w+(?:\|[^{}|]*)?)\}")
_OF_RULE = "rule "  # how the cause of an incident about a rule begins
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

    Texts may name labels in braces: `{dag_id}`; a missing label reads as what follows a bar in them,
    `{table|fact_energy_annual}`, else as `unknown`. A service that nothing names is called as its alert.
    """

    name: str
    # label, or `summary` → regular expression for the whole value
    match: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None  # None: from the signal's `severity` label, else P3
    scenario: Scenario = Scenario.OTHER  # other: what the signal's label `scenario` says, if anything
    service: str = "{service}"
    cause: str = "{alertname}"  # with the service it makes the dedup_key: one incident per cause
    title: str = "{summary}"
    runbook: str | None = None
    level: int = 1  # level that is paged first (procedures §4.1: jumps)
    event_like: bool = False  # an event going quiet proves nothing: it needs a verification
    witness: Doubt | None = None  # None: taken at its word

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((label, re.compile(pattern)) for label, pattern in self.match.items())

    @cached_property
    def _texts(self) -> tuple[Text, Text, Text]:
        return _parts(self.service), _parts(self.cause), _parts(self.title)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True when every named label's whole value matches its pattern."""
        return all(pattern.fullmatch(labels.get(label, "")) for label, pattern in self._patterns)

    def may_match(self, alertname: str) -> bool:
        """False when no signal of this name can match."""
        return all(pattern.fullmatch(alertname) for label, pattern in self._patterns if label == ALERTNAME)

    def apply(self, signal: Signal, labels: Mapping[str, str]) -> Classification:
        """The decision this rule makes for `signal`, whose labels may have been completed."""
        texts = self._texts
        values: Mapping[str, str] = {"summary": signal.summary, **labels}
        service = self._named(texts[0], values)
        if not values.get("service"):
            values = {**values, "service": service}
        if self.witness is not None and self.witness.doubts(heard(signal.source, signal.details)):
            return self._of_rule(self.witness, signal, service)
        scenario = self._kind(labels)
        found = {
            "rule": self.name,
            "severity": _tagged(signal) or self.severity or _labelled(signal) or Severity.P3,
            "scenario": scenario,
            "service": service,
            "dedup_key": f"{DEDUP_VERSION}:{scenario.value}:{service}:{_fill(texts[1], values)}"[:255],
            "title": _fill(texts[2], values)[:200],
            "runbook": self.runbook,
            "level": self.level,
            "event_like": self.event_like,
        }
        return revived(Classification, found)  # one for each signal of a storm

    def asks(self, signal: Signal, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The services of which witnesses are asked before this signal is believed."""
        if self.witness is None:
            return ()
        service = self._named(self._texts[0], labels)
        values = {**labels, "service": service}
        return tuple(dict.fromkeys(_fill(_parts(text), values) for text in self.witness.ask))

    def _named(self, text: Text, values: Mapping[str, str]) -> str:
        """What names nothing is called as its alert, so that no incident is about the unknown."""
        named = all(_value(part, values) for part in text[1::2])
        return _fill(text, values) if named else values.get(ALERTNAME) or self.name

    def _kind(self, labels: Mapping[str, str]) -> Scenario:
        """What the signal itself says, where the rule leaves it open."""
        if self.scenario is not Scenario.OTHER:
            return self.scenario
        return _SCENARIOS.get(labels.get("scenario", ""), Scenario.OTHER)

    def _of_rule(self, doubt: Doubt, signal: Signal, service: str) -> Classification:
        well = heard(signal.source, signal.details) is Word.WELL
        why = "is well" if well else "is not known to be down"
        return Classification(
            rule=self.name,
            severity=doubt.severity,
            scenario=self.scenario,
            service=service,
            dedup_key=f"{DEDUP_VERSION}:{self.scenario.value}:{service}:{_OF_RULE}{signal.name}"[:255],
            title=f"The rule {signal.name} fires, but {service} {why}"[:200],
            runbook=doubt.runbook,
            level=self.level,
            event_like=False,
        )


def is_about_rule(dedup_key: str) -> bool:
    """True for an incident about a rule that witnesses contradict: it is the cause of nothing."""
    return f":{_OF_RULE}" in dedup_key


_LAST_RESORT = Rule(name="default")


class Rules:
    """All rules in order: the first that matches decides; a last resort named `default` always does."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = (*rules, _LAST_RESORT)
        self._by_name: dict[str, tuple[Rule, ...]] = {}
        self._decided: dict[tuple[str, str | None, str, Severity | None, Word], Classification] = {}

    def __iter__(self) -> Iterator[Rule]:
        """The rules that were given."""
        return iter(self._rules[:-1])

    def __len__(self) -> int:
        return len(self._rules) - 1

    def classify(self, signal: Signal, service: str | None = None) -> Classification:
        """What the first matching rule says. `service` is what the label of this name is taken for."""
        # All that a rule looks at.
        word = heard(signal.source, signal.details)
        about = (signal.fingerprint, service, signal.summary, _tagged(signal), word)
        found = self._decided.get(about)
        if found is None:
            if len(self._decided) >= _MOST:
                self._decided.clear()
            found = self._decided[about] = self._decide(signal, service)
        return found

    def asks(self, signal: Signal, service: str | None = None) -> tuple[str, ...]:
        """The services of which witnesses are asked before this signal is believed; mostly none."""
        if not any(rule.witness for rule in self._for(signal.alertname)):
            return ()
        rule, labels = self._match(signal, service)
        return rule.asks(signal, labels)

    def doubted(self) -> frozenset[str]:
        """The names of the rules that do not take an alert at its word."""
        return frozenset(rule.name for rule in self._rules if rule.witness)

    def _decide(self, signal: Signal, service: str | None) -> Classification:
        rule, labels = self._match(signal, service)
        return rule.apply(signal, labels)

    def _match(self, signal: Signal, service: str | None) -> tuple[Rule, Mapping[str, str]]:
        labels = {"summary": signal.summary, **signal.labels}
        if service is not None:
            labels["service"] = service
        return next(rule for rule in self._for(signal.alertname) if rule.matches(labels)), labels

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


_SCENARIOS = {scenario.value: scenario for scenario in Scenario}
_NAMED = {severity.value: severity for severity in Severity}
_LABELS = {**_NAMED, "critical": Severity.P2, "warning": Severity.P3, "info": Severity.P4}


def _labelled(signal: Signal) -> Severity | None:
    return _LABELS.get(signal.labels.get("severity", ""))


def _parts(template: str) -> Text:
    """Literals and label names in turn: `{dag_id} failed` → ("", "dag_id", " failed")."""
    return tuple(_FIELD.split(template))


def _fill(text: Text, values: Mapping[str, str]) -> str:
    if len(text) == 3 and not text[0] and not text[2]:  # most texts are one label
        return _value(text[1], values) or "unknown"
    return "".join(
        [(_value(part, values) or "unknown") if place % 2 else part for place, part in enumerate(text)]
    )


def _value(field: str, values: Mapping[str, str]) -> str:
    """`dag_id`, or `table|what it is called when there is none`."""
    label, _, default = field.partition("|")
    return str(values.get(label) or default)
