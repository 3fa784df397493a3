"""The files that are shipped in include/, for tests that want the real policy."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from incident_response.domain.changes import Change
from incident_response.domain.classification import Classification
from incident_response.domain.commands import open_incident
from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.library.folder import Library

START = datetime(2026, 11, 23, 2, 0, tzinfo=timezone.utc)
INCLUDE = Path(__file__).resolve().parents[2] / "include"


def library() -> Library:
    """A fresh library of the shipped files."""
    return Library(INCLUDE)


def stand_alone(folder: Path) -> Path:
    """Make each pipeline an incident of its own in a copy of include/, and look at Airflow's runs only.

    For tests that let many pipelines fail at once, and kill Airflow's components, for other reasons.
    """
    (folder / "policy" / "services.yaml").write_text("version: 1\nwait: 0 s\n")
    (folder / "policy" / "detectors.yaml").write_text("version: 1\n")
    return folder


def policy() -> EscalationPolicy:
    """The shipped escalation policy."""
    return library().current()


def classification(severity: Severity = Severity.P1, **changes: object) -> Classification:
    """A classification with defaults."""
    values: dict[str, object] = {
        "rule": "test",
        "severity": severity,
        "scenario": Scenario.DATABASE,
        "service": "lianel_energy",
        "dedup_key": "v1:database:lianel_energy:down",
        "title": "PostgreSQL refuses connections",
        "runbook": None,
        "level": 1,
        "event_like": False,
    }
    return Classification(**{**values, **changes})  # type: ignore[arg-type]


def opened(now: datetime, severity: Severity = Severity.P1, number: int = 1, **changes: object) -> Change:
    """A fresh incident under the shipped policy."""
    signal = Signal("test", {"alertname": "DatabaseConnectionFailure"}, "refused", now)
    return open_incident(number, signal, classification(severity, **changes), policy(), now)
