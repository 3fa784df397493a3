"""Scenes for actions: an incident, what was seen, and what earlier steps found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from incident_response.domain.actions import Scene
from incident_response.domain.incidents import Incident
from incident_response.domain.records import Sighting
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import fingerprint

START = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


def incident(service: str, scenario: Scenario = Scenario.SERVICE_OUTAGE, **fields: Any) -> Incident:
    """An open incident about `service`."""
    values = {
        "number": 42,
        "dedup_key": f"v1:{scenario.value}:{service}:test",
        "title": f"{service} is in trouble",
        "severity": Severity.P2,
        "scenario": scenario,
        "service": service,
        "rule": "test",
        "policy": "test",
        "opened_at": START,
        "started_at": START,
    }
    return Incident(**{**values, **fields})


def sighting(
    source: str, firing: bool = True, details: Mapping[str, Any] | None = None, **labels: str
) -> Sighting:
    """A signal as the incident keeps it."""
    return Sighting(
        incident=42,
        source=source,
        fingerprint=fingerprint(labels),
        labels=labels,
        summary=f"{labels.get('alertname', 'trouble')} of {labels.get('service', 'something')}",
        firing=firing,
        first_at=START,
        last_at=START,
        details=dict(details or {}),
    )


def scene(about: Incident, parameters: Any, sightings: Sequence[Sighting] = (), **fields: Any) -> Scene:
    """What an action is given."""
    return Scene(about, sightings, parameters, **fields)
