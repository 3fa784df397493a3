"""Every action by name."""

from __future__ import annotations

from typing import Any

from incident_response.families import Families

from .kit import ActionType, Kit

ACTIONS: Families[ActionType] = Families(
    __package__, lambda family: {action.parameters.action: action for action in family.ACTIONS}
)


class Actions:
    """Makes actions."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def get(self, name: str) -> Any:
        """The action of this name: Looking, Checking or Changing. Raises KeyError."""
        return ACTIONS[name](self._kit)
