"""Every action by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import airflow_steps, check_steps, data_steps, docker_steps, postgres_steps
from .kit import ActionType, Kit

ACTIONS: Mapping[str, ActionType] = {
    action.parameters.action: action
    for family in (airflow_steps, check_steps, data_steps, docker_steps, postgres_steps)
    for action in family.ACTIONS
}


class Actions:
    """Makes actions."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def get(self, name: str) -> Any:
        """The action of this name: Looking, Checking or Changing. Raises KeyError."""
        return ACTIONS[name](self._kit)
