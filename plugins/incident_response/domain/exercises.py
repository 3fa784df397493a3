"""Exercises: incidents that are opened to practise, and that real ones must have nothing to do with."""

from __future__ import annotations

ALERT = "Drill"
LABEL = "exercise"  # `true` on the signal and so on the incident
SOURCE = "exercise"
_SERVICE = (
    "exercise "  # how the service of an exercise begins: nothing depends on it, no real trouble shares it
)


def is_exercise(service: str) -> bool:
    """True for the service of an exercise, as the rule at the top of classification.yaml names it."""
    return service.startswith(_SERVICE)
