"""A source without its patience: what goes wrong is told at the first look, not at the second in a row."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from incident_response.sources.base import Entry
from incident_response.sources.docker_engine import DockerSource
from incident_response.sources.http_health import HttpTarget

AnyEntry = TypeVar("AnyEntry", bound=Entry)
_LOOKS = ("failures", "query_failures")


def at_once(entry: AnyEntry) -> AnyEntry:
    """The same, with one look in a row being enough."""
    changes: dict[str, object] = {}
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if name in _LOOKS:
            changes[name] = 1
        elif isinstance(value, Entry):
            changes[name] = at_once(value)
        elif isinstance(value, tuple):
            changes[name] = tuple(at_once(one) if isinstance(one, Entry) else one for one in value)
    if isinstance(entry, HttpTarget):
        changes["start_grace"] = timedelta()
    if isinstance(entry, DockerSource):
        changes["down_for"] = timedelta()  # a container that is not there will not come within these looks
    return entry.model_copy(update=changes)
