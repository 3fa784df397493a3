"""Housekeeping: what the store no longer needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from incident_response import bootstrap


def prune(**_: Any) -> dict[str, int]:
    """Delete closed incidents and leftovers after the retention time; returns how many of each."""
    services = bootstrap.services()
    before = bootstrap.now() - timedelta(days=services.settings.retention_days)
    return dict(services.evidence.prune(before))
