"""Groups: the signals of one call that share a cause, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from incident_response.domain.classification import Classification
from incident_response.domain.frozen import revived
from incident_response.domain.grounds import Ground
from incident_response.domain.incidents import Incident
from incident_response.domain.records import Role, Sighting
from incident_response.domain.severities import Severity, worst
from incident_response.domain.signals import Signal
from incident_response.domain.stops import DETAIL

_occurred_at = attrgetter("occurred_at")


class Group:
    """The signals of one call that share a cause. A plain class: one is made for each signal of a storm.

    What went out of sight is in none of `firing` and `quiet`: nobody knows how it is.
    """

    __slots__ = ("firing", "found", "quiet", "signals", "unseen")

    def __init__(self, found: Classification, signals: tuple[Signal, ...]) -> None:
        self.found, self.signals = found, signals
        self.firing = tuple([signal for signal in signals if signal.firing])
        silent = () if len(self.firing) == len(signals) else tuple(s for s in signals if not s.firing)
        self.unseen = tuple(s for s in silent if s.unproven)
        self.quiet = tuple(s for s in silent if not s.unproven) if self.unseen else silent

    @property
    def severity(self) -> Severity:
        """The worst of its signals."""
        return self.found.severity

    @property
    def stop(self) -> str:
        """Who stopped all of it, for people; empty when something failed that nobody has stopped."""
        stops = [signal for signal in self.firing if DETAIL in signal.details]
        return stops[0].summary if stops and len(stops) == len(self.firing) else ""

    @property
    def proof(self) -> str:
        """What a source that has looked says: the same run is green. Going quiet alone proves nothing."""
        return next((str(s.details["proof"]) for s in self.signals if s.details.get("proof")), "")

    @property
    def proven(self) -> bool:
        """True when its quiet signals say that something is over, and not only that it went quiet."""
        return bool(self.proof) or not self.found.event_like


def grouped(classified: Sequence[tuple[Signal, Classification]]) -> tuple[dict[str, Group], list[str]]:
    """By dedup_key, in order of arrival, and the key of each signal; the worst severity of a group counts."""
    gathered: dict[str, tuple[list[Classification], list[Signal]]] = {}
    for signal, found in classified:
        findings, signals = gathered.setdefault(found.dedup_key, ([], []))
        findings.append(found)
        signals.append(signal)
    groups = {key: Group(_worst(findings), tuple(signals)) for key, (findings, signals) in gathered.items()}
    return groups, [found.dedup_key for _, found in classified]


def joined(one: dict[str, Group], other: dict[str, Group]) -> dict[str, Group]:
    """Both, by key; of a key that both have the signals of both."""
    same = {k: Group(one[k].found, one[k].signals + other[k].signals) for k in one.keys() & other.keys()}
    return one | other | same


def proven(
    incident: Incident,
    group: Group,
    seen: Sequence[Sighting],
    classify: Callable[[Signal], Classification],
) -> bool:
    """True when nothing of a quiet incident is without its proof: each of its event-like causes needs one."""
    causes: dict[str, list[Sighting]] = {}
    event_like: set[str] = set()
    for sighting in seen:
        if sighting.role is Role.OWN:
            found = classify(again(sighting))
            causes.setdefault(found.dedup_key, []).append(sighting)
            if found.event_like:
                event_like.add(found.dedup_key)
    if len(causes) < 2:
        return not incident.event_like or bool(group.proof)
    return all(_is_proven(causes[key]) for key in event_like)


def _is_proven(seen: Sequence[Sighting]) -> bool:
    """True when a proof was told after everything of the cause had begun."""
    proofs = [s.last_at for s in seen if not s.firing and s.details.get("proof")]
    begun = [s.first_at for s in seen if not s.details.get("proof")]
    return bool(proofs) and max(proofs) >= max(begun, default=max(proofs))


def occurring(groups: Iterable[Group]) -> set[str]:
    """The fingerprints of firing signals that tell one happening from another."""
    return {s.fingerprint for group in groups for s in group.firing if s.occurrence}


def sightings(incident: int, signals: Sequence[Signal], role: Role = Role.OWN) -> list[Sighting]:
    """One row per (source, fingerprint); repeats within the call add up, the latest one's words count."""
    rows: dict[tuple[str, str], Sighting] = {}
    # An end that proves nothing changes nothing: what fires fires on, until somebody has looked.
    for signal in sorted((s for s in signals if not s.unproven), key=_occurred_at):
        key = (signal.source, signal.fingerprint)
        before = rows.get(key)
        repeated = before is not None and signal.occurrence != "" and before.occurrence == signal.occurrence
        values = {
            "incident": incident,
            "source": signal.source,
            "fingerprint": signal.fingerprint,
            "labels": signal.labels,
            "summary": signal.summary,
            "firing": signal.firing,
            "first_at": before.first_at if before else signal.occurred_at,
            "last_at": signal.occurred_at,
            "count": (before.count if before else 0) + (0 if repeated else 1),
            "occurrence": signal.occurrence,
            "details": signal.details,
            "role": role,
        }
        rows[key] = revived(Sighting, values)
    return list(rows.values())


def again(seen: Sighting) -> Signal:
    """The signal of a sighting, as it was seen last."""
    return Signal(
        seen.source, seen.labels, seen.summary, seen.last_at, seen.firing, seen.occurrence, seen.details
    )


def _worst(findings: Sequence[Classification]) -> Classification:
    """The first one, with the worst severity and the hardest evidence of all."""
    if len(findings) == 1:
        return findings[0]
    first, severity = findings[0], worst(found.severity for found in findings)
    hard = any(found.evidence is Ground.HARD for found in findings)
    evidence = Ground.HARD if hard else first.evidence
    same = severity is first.severity and evidence is first.evidence
    return first if same else replace(first, severity=severity, evidence=evidence)
