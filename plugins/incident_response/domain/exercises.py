"""Exercises: incidents that are opened to practise, and that real ones must have nothing to do with."""

from __future__ import annotations

from .incidents import Incident
from .runbooks import Runbook

ALERT = "Drill"
LABEL = "exercise"  # `true` on the signal and so on the incident
SOURCE = "exercise"
_SERVICE = (
    "exercise "  # how the service of an exercise begins: nothing depends on it, no real trouble shares it
)


def is_exercise(service: str) -> bool:
    """True for the service of an exercise, as the rule at the top of classification.yaml names it."""
    return service.startswith(_SERVICE)


def is_practice(incident: Incident) -> bool:
    """True for an incident that the command `drill` has opened, by its service and its label."""
    return is_exercise(incident.service) and incident.labels.get(LABEL) == "true"


def fits(runbook: Runbook, incident: Incident) -> bool:
    """False for what only practises, in an incident that is real: its pause would be called a repair."""
    return not runbook.practises or is_practice(incident)
