"""The form of what is found about Airflow itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from incident_response.domain.signals import Signal

KIND = "airflow_health"


def finding(
    alertname: str,
    service: str,
    summary: str,
    at: datetime,
    details: Mapping[str, Any],
    **labels: str,
) -> Signal:
    """A signal that fires."""
    named = {"alertname": alertname, "service": service, "component": "airflow", **labels}
    return Signal(KIND, named, summary, at, details=details)
