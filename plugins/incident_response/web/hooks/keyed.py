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


def ended(seen: Sequence[Sighting], summary: str, at: datetime) -> list[Signal]:
    """Resolved signals for all that still fires of it.

    Several, when the sender changed the severity or another label meanwhile.
    """
    firing = [sighting for sighting in seen if sighting.firing]
    return [Signal(s.source, s.labels, summary or s.summary, at, firing=False) for s in firing]
