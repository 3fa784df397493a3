"""Senders that name a thing by a key of their own, and end it by the key alone.

The key and the integration are labels of what fires, so what a key means is found among the signals of the
open incidents; no second memory can disagree with them. Two integrations may use the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from incident_response.domain.ports import Store
from incident_response.domain.records import Integration, Sighting
from incident_response.domain.signals import Signal

INTEGRATION = "integration"  # the label with the sender's name


def told_before(store: Store, by: Integration, label: str, key: str) -> Sequence[Sighting]:
    """What was told under this key, in incidents that are open."""
    with store.read() as tx:
        return tx.open_sightings(by.kind.source, labels={label: key, INTEGRATION: by.name})


def ended(store: Store, by: Integration, label: str, key: str, summary: str, at: datetime) -> list[Signal]:
    """Resolved signals for all that still fires under this key, in open incidents and where it is muted.

    Several, when the sender changed the severity or another label meanwhile.
    """
    firing = [s for s in told_before(store, by, label, key) if s.firing]
    with store.read() as tx:
        muted = [held.signal for held in tx.held_from(by.kind.source)]
    muted = [s for s in muted if s.labels.get(label) == key and s.labels.get(INTEGRATION) == by.name]
    found = {s.fingerprint: (s.labels, s.summary) for s in muted}
    found |= {s.fingerprint: (s.labels, s.summary) for s in firing}
    return [
        Signal(by.kind.source, labels, summary or words, at, firing=False) for labels, words in found.values()
    ]
