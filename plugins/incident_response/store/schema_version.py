"""Which schema this package works with, without loading Alembic: a failing task has no time for that."""

from __future__ import annotations

VERSION_TABLE = "incident_response_version"
KNOWN = (
    "v0001",
    "v0002",
    "v0003",
    "v0004",
    "v0005",
)  # oldest first; the code expects the last one
HEAD = KNOWN[-1]
