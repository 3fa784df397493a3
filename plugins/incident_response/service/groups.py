"""Groups: the signals of one call that share a cause, and what is kept of them.

What a source says now is what arrived last. A sender's clock decides nothing: Alertmanager tells of a second
firing with the `startsAt` of the first one, others cut the seconds or are a year ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter

from incident_response.domain.classification import Classification
from incident_response.domain.frozen import revived
from incident_response.domain.grounds import Ground
from incident_response.domain.incidents import Incident
from incident_response.domain.pipeline_signals import is_happening
from incident_response.domain.records import Role, Sighting
from incident_response.domain.severities import Severity, worst
from incident_response.domain.signals import Signal
from incident_response.domain.stops import DETAIL


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


def rounds(signals: Sequence[Signal]) -> list[list[int]]:
    """The places of signals that may be taken in at once, in each round the next word on a thing.

    Nearly always one round: a queue that was held up sends a beginning and its end together.
    """
    found: list[list[int]] = []
    turns: dict[str, tuple[int, bool]] = {}
    for place, signal in enumerate(signals):
        turn, firing = turns.get(signal.fingerprint, (0, signal.firing))
        turn += firing is not signal.firing
        turns[signal.fingerprint] = turn, signal.firing
        while len(found) <= turn:
            found.append([])
        found[turn].append(place)
    return found


def told_at(signal: Signal, now: datetime) -> datetime:
    """When it counts from: its arrival; a happening counts from when it happened."""
    return signal.occurred_at if is_happening(signal) else now


def ends(end: Signal, firing: Signal) -> bool:
    """True when an end that arrived after a firing is its end: always, unless both bear Airflow's time."""
    return not is_happening(firing) or end.occurred_at >= firing.occurred_at


def overtook(end: Signal, firing: Signal) -> bool:
    """True when an end that arrived before its beginning is known to be the end of it.

    By its start, or by Airflow's time. Without either the firing counts: a false page is better than an
    outage that nobody hears of.
    """
    if is_happening(firing):
        return end.occurred_at >= firing.occurred_at
    return end.start != "" and end.start == firing.start


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


def sightings(
    incident: int, signals: Sequence[Signal], now: datetime, role: Role = Role.OWN
) -> list[Sighting]:
    """One row per (source, fingerprint); repeats within the call add up, the latest one's words count."""
    rows: dict[tuple[str, str], Sighting] = {}
    # An end that proves nothing changes nothing: what fires fires on, until somebody has looked.
    told = ((told_at(signal, now), signal) for signal in signals if not signal.unproven)
    for at, signal in sorted(told, key=itemgetter(0)):
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
            "first_at": before.first_at if before else at,
            "last_at": at,
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
    """The first one, with the worst severity of all, in the words of the worst, and the hardest evidence."""
    if len(findings) == 1:
        return findings[0]
    first, severity = findings[0], worst(found.severity for found in findings)
    hard = any(found.evidence is Ground.HARD for found in findings)
    evidence = Ground.HARD if hard else first.evidence
    if severity is first.severity:
        return first if evidence is first.evidence else replace(first, evidence=evidence)
    said = next(found for found in findings if found.severity is severity)
    level = max(found.level for found in findings)
    return replace(first, severity=severity, evidence=evidence, title=said.title, level=level)
