"""The store in memory: the same contract in plain Python, for tests and for trying things out.

Beside the databases it lacks only what outlives a process; uniqueness, rollback and isolation are the same.
"""

from __future__ import annotations

from .memory_store import MemoryStore

__all__ = ["MemoryStore"]
