"""SourceDetector: what all detectors of `detectors.yaml` share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.domain.ports import Observation
from incident_response.domain.signals import Signal
from incident_response.sources.base import Source

from .watch import Watch, unrepeated

Kind = TypeVar("Kind", bound=Source)
Find = Callable[[str], "Connection | None"]


@dataclass(frozen=True)
class Look:
    """What one look found."""

    firing: tuple[Signal, ...] = ()
    complete: bool = True  # False: a part did not answer; what is missing here is not taken for resolved
    memory: Mapping[str, Any] = field(default_factory=dict)  # the detector's own, JSON; comes back next time
    held: Collection[str] = ()  # fingerprints neither told nor resolved: silenced, or without an answer


class SourceDetector(ABC, Generic[Kind]):
    """Looks at one source. Implements `ports.Detector`.

    `find` gives an Airflow connection by its id, None when it is not defined. A detector keeps no state
    between looks but its cursor: the next look may be made by another process.
    """

    kind: ClassVar[str]  # the `source` of its signals

    def __init__(self, source: Kind, find: Find) -> None:
        self.source, self._find = source, find
        self.name, self.interval, self.time_limit = source.name, source.interval, source.time_limit

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        """Look once, bounded in time. Raises SourceUnavailable, NotConfigured."""
        watch = Watch(self.kind, cursor, now, self.source.repeat)
        found = self.look(cursor.get("memory", {}), now)
        signals = watch.compare(unrepeated(found.firing), complete=found.complete, held=found.held)
        return Observation(signals, {**watch.cursor(), "memory": dict(found.memory)})

    @abstractmethod
    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """All that fires now, at the latest after `time_limit`.

        Labels identify a thing and never hold a value that changes from look to look. Raises
        SourceUnavailable when the source as a whole does not answer.
        """

    def connection(self, conn_id: str) -> Connection:
        """An Airflow connection. Raises NotConfigured."""
        found = self._find(conn_id)
        if found is None:
            raise NotConfigured(
                f"{self.name}: the Airflow connection {conn_id!r} is not defined; define it on the "
                f"connections page or as AIRFLOW_CONN_{conn_id.upper()}, or set "
                "`enabled: false` in detectors.yaml"
            )
        return found

    @property
    def seconds(self) -> float:
        """The time limit in seconds."""
        return self.time_limit / timedelta(seconds=1)
