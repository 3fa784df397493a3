"""Housekeeping: what the store no longer needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from incident_response import bootstrap


def prune(**_: Any) -> dict[str, int]:
    """Delete closed incidents and leftovers after the retention time; returns how many rows of each."""
    services = bootstrap.services()
    before = bootstrap.now() - timedelta(days=services.settings.retention_days)
    with services.store.transaction() as tx:
        return dict(tx.prune(before))
