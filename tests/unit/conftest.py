"""Unit tests share a slow machine with everything else: hypothesis keeps no wall-clock deadline."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("patient", deadline=None)
# On a build server a red test must mean a change: the same examples each time. At a desk they are new.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "patient")
