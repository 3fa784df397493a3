"""Exercises are told from real trouble by their service."""

from __future__ import annotations

from incident_response.domain.exercises import is_exercise


def test_only_what_the_rule_of_exercises_names_is_one() -> None:
    """Not a service that happens to have such a name inside."""
    assert is_exercise("exercise keycloak")
    assert not any(map(is_exercise, ("keycloak", "exercises", "my exercise keycloak", "")))
