"""The check actions."""

from __future__ import annotations

from .kit import ActionType

ACTIONS: tuple[ActionType, ...] = ()
