"""Unit tests share a slow machine with everything else: hypothesis keeps no wall-clock deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
