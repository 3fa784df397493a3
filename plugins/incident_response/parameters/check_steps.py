"""Parameters of the check actions."""

from __future__ import annotations

from .base import Parameters

MODELS: tuple[type[Parameters], ...] = ()
