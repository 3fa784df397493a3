"""Foresight: what intake would do with a signal now. Asks everything that intake asks, and writes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from incident_response.domain.classification import Classification
from incident_response.domain.commands import open_incident
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.grouping import SEVERAL, Bond, Grouping
from incident_response.domain.identity import has_parts
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.signals import Signal
from incident_response.domain.silences import Muted
from incident_response.domain.transactions import Transaction

from .muting import Muting
from .policy_book import PolicyBook

_RECENT = 1000  # resolved incidents that are looked through for one that would reopen


class Expected(str, Enum):
    """What would become of a signal."""

    COUNTED = "counted"  # into the open incident of its cause
    REOPENED = "reopened"  # an incident of its cause was mitigated or resolved a short time ago
    MERGED = "merged"  # into the open incident with which its own was merged
    HELD = "held"  # it is muted
    ATTACHED = "attached"  # as a consequence of another open incident
    SHELTERED = "sheltered"  # under a young incident that stands for many
    OPENED = "opened"  # an incident of its own


@dataclass(frozen=True)
class Foresight:
    """The whole answer; what does not apply is None."""

    found: Classification
    expected: Expected
    incident: Incident | None  # the one that is there: counted into, reopened, its cause, …
    muted: Muted | None  # what mutes it now, also where an open incident counts it all the same
    opens: Incident | None  # the incident that would be opened, with its due times; its number means nothing
    quiet: timedelta  # how long grouping waits before the first page of that incident
    upstreams: Collection[str]  # everything that the service depends on

    @property
    def reopens(self) -> bool:
        """True when the incident that takes the signal in seemed mended, and would be triggered again."""
        return self.expected is not Expected.ATTACHED and self.incident is not None and _rests(self.incident)


def foresee(
    tx: Transaction,
    signal: Signal,
    found: Classification,
    policies: PolicyBook,
    grouping: Grouping,
    muting: Muting,
    now: datetime,
) -> Foresight:
    """What would become of a firing signal now; `tx` may be one that only reads."""
    policy = policies.in_force(tx)
    found, known = _known(tx, signal, found, policy, now)
    upstreams = grouping.services.upstreams(found.service)
    muted = muting.muted(tx, signal, found, now)
    account = grouping.account([(signal, found.evidence)], [found.service])
    quiet = grouping.quiet(found, account)

    def answer(expected: Expected, incident: Incident | None = None) -> Foresight:
        new = expected is Expected.OPENED
        opens = open_incident(1, signal, found, policy, now, quiet).incident if new else None
        return Foresight(
            found, expected, incident, muted, opens, quiet if new else timedelta(), sorted(upstreams)
        )

    if known is not None and known.status.is_open:
        return answer(Expected.REOPENED if _rests(known) else Expected.COUNTED, known)
    into = tx.merged([found.dedup_key]).get(found.dedup_key) if known is None else None
    if into is not None and into[1] not in upstreams:
        return answer(Expected.MERGED, tx.get(into[0]))
    before = tx.holding([signal.fingerprint]) if known is None and has_parts(found.dedup_key) else {}
    if before:
        held_by = tx.get(before[signal.fingerprint])
        return answer(Expected.REOPENED if _rests(held_by) else Expected.COUNTED, held_by)
    # What is over reopens for nothing that is muted, or a consequence of something else.
    if muted is not None:
        return answer(Expected.HELD)
    open_ = tx.open_on({*upstreams, SEVERAL})
    told = {i.number: f"attach:{i.number}:{i.reopenings}:{found.dedup_key}" for i in open_}
    begun = tx.begun(told.values()) if told else ()
    followed = [*(n for n, effect in told.items() if effect in begun), *([into[0]] if into else [])]
    tie = grouping.tie(found, account, open_, now, followed)
    if tie is not None and tie.bond is Bond.CAUSE:
        return answer(Expected.ATTACHED, tie.incident)
    if known is not None:
        return answer(Expected.REOPENED, known)
    shelter = grouping.shelter(found, open_, now)
    if shelter is not None:
        return answer(Expected.SHELTERED, shelter)
    return answer(Expected.OPENED)


def _rests(incident: Incident) -> bool:
    return incident.status is Status.MITIGATED or not incident.status.is_open


def _known(
    tx: Transaction, signal: Signal, found: Classification, policy: EscalationPolicy, now: datetime
) -> tuple[Classification, Incident | None]:
    """The incident that has the signal's key, open or resolved a short time ago.

    A person may have split the signal off: then it has another key.
    """
    current = _current(tx, found, policy, now)
    other = current.split_off.get(signal.fingerprint) if current else None
    if other is None:
        return found, current
    found = replace(found, dedup_key=other)
    return found, _current(tx, found, policy, now)


def _current(
    tx: Transaction, found: Classification, policy: EscalationPolicy, now: datetime
) -> Incident | None:
    open_ = [i for i in tx.open_on([found.service]) if i.dedup_key == found.dedup_key]
    if open_:
        return open_[0]
    over = (
        incident
        for incident in tx.recent(now - policy.reopen_window, _RECENT)
        if incident.dedup_key == found.dedup_key
        and incident.status is Status.RESOLVED
        and incident.merged_into is None
    )
    return next(over, None)
