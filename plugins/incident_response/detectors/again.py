"""Again: looking at what was seen once more, out of turn, so that it gives a definite answer at once.

A detector's own look forgives: it wants several bad looks in a row, and knows from its memory what fired
before. Here there is neither time nor memory. So what forgives is turned off, and what is not surely over
still fires.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.records import Sighting

from .base import Find, Look

if TYPE_CHECKING:
    from incident_response.sources.base import Source

Kind = TypeVar("Kind", bound="Source")


@dataclass(frozen=True)
class World:
    """What is needed to look."""

    make: Callable[[Source], Any]  # the detector of a source
    find: Find


class Again(ABC, Generic[Kind]):
    """How one kind of source is looked at again."""

    kind: ClassVar[str]

    @abstractmethod
    def covers(self, source: Kind, sighting: Sighting, world: World) -> bool:
        """Whether this source would see the thing if it still fired: it may have been changed since."""

    @abstractmethod
    def firing(
        self, source: Kind, seen: Sequence[Sighting], world: World, now: datetime
    ) -> Sequence[Sighting]:
        """Those that still fire. Raises SourceUnavailable when nobody can tell, NotConfigured."""


class ByLooking(Again[Kind]):
    """By the detector's own look, with a source that forgives nothing."""

    def firing(
        self, source: Kind, seen: Sequence[Sighting], world: World, now: datetime
    ) -> Sequence[Sighting]:
        """One look."""
        strict = self.strict(source, seen)
        look: Look = world.make(strict).look(self.memory(source, seen, now), now)
        return [sighting for sighting in seen if self.fires(strict, sighting, look)]

    def strict(self, source: Kind, seen: Sequence[Sighting]) -> Kind:
        """The source without what forgives, and without what was not seen."""
        return source

    def memory(self, source: Kind, seen: Sequence[Sighting], now: datetime) -> Mapping[str, Any]:
        """As if it all had fired at the last look: then it ends as late as it would have."""
        return {}

    def fires(self, source: Kind, sighting: Sighting, look: Look) -> bool:
        """Whether the look shows it, or leaves it open."""
        return shown(sighting, look) or not look.complete


def shown(sighting: Sighting, look: Look) -> bool:
    """Whether it fires in a look, or is held. Labels that were added to the sighting make it no other."""
    known = sighting.labels.items()
    return sighting.fingerprint in look.held or any(signal.labels.items() <= known for signal in look.firing)


def name(sighting: Sighting) -> str:
    """Of its alert."""
    return sighting.labels.get("alertname", "")


def unanswered(source: Source, what: str, why: str = "") -> SourceUnavailable:
    """Nobody can tell whether it still fires."""
    because = f" ({why})" if why else ""
    return SourceUnavailable(f"{source.name}: {what} gave no answer{because}; it is asked again")
