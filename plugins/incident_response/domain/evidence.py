"""Evidence: what was seen before anything was changed, kept with the incident outside of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .actions import Exhibit

MOST_BYTES = 64 * 1024  # of one exhibit: its last lines are kept
MOST_OF_INCIDENT = 5 * 1024 * 1024  # of all exhibits of one incident; what comes later is named and not kept


@dataclass(frozen=True)
class KeptExhibit:
    """Where a piece of evidence is kept. One row for each (incident, attempt, step, name)."""

    incident: int
    attempt: int
    step: str
    name: str
    media: str
    place: str  # below the evidence folder; empty: it was not kept, and `size` says how large it was
    size: int  # bytes
    kept_at: datetime


class EvidenceStore(Protocol):
    """A folder or a bucket."""

    def keep(self, place: str, content: bytes) -> None:
        """Write one exhibit; again with the same place: replace it. Raises EvidenceUnavailable."""

    def read(self, place: str) -> bytes:
        """The content of one. Raises EvidenceUnavailable."""

    def drop(self, places: list[str]) -> None:
        """Delete what is too old. What is not there is fine. Raises EvidenceUnavailable."""


def clipped(exhibit: Exhibit) -> bytes:
    """The last bytes of an exhibit, beginning with a whole line."""
    content = exhibit.content.encode("utf-8", errors="replace")
    if len(content) <= MOST_BYTES:
        return content
    _, _, rest = content[-MOST_BYTES:].partition(b"\n")
    return rest or content[-MOST_BYTES:]
