"""What a silence would mute now, and what it never will: shown before it is made. Nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from incident_response.domain.classification import Classification
from incident_response.domain.errors import BadInput
from incident_response.domain.incidents import Incident
from incident_response.domain.patterns import pattern
from incident_response.domain.ports import Store
from incident_response.domain.records import Held, Sighting
from incident_response.domain.services import ServiceMap
from incident_response.domain.signals import Signal
from incident_response.domain.silences import Matchers, Silence
from incident_response.domain.transactions import EVERY, Transaction

from .muting import Muting

_PAGE = 1000


@dataclass(frozen=True)
class SilencePreview:
    """What fires now and matches. Open incidents go on; what fires anew of it is held."""

    matchers: Matchers
    signals: int  # that fire now in open incidents
    incidents: tuple[Incident, ...]  # they belong to these, oldest first
    held: int  # signals that something else mutes already
    notes: tuple[str, ...]  # what parts of it will never match

    def __str__(self) -> str:
        if not self.signals and not self.held:
            return "Nothing that fires now matches."
        numbers = ", ".join(incident.key for incident in self.incidents[:10])
        more = f" and {len(self.incidents) - 10} more" if len(self.incidents) > 10 else ""
        of = f", of {numbers}{more}, which go on" if numbers else ""
        also = f"; {self.held} more are muted already" if self.held else ""
        return f"{self.signals} signal{'s' if self.signals != 1 else ''} that fire now match{of}{also}."


def preview(
    store: Store,
    classify: Callable[[Signal], Classification],
    services: ServiceMap,
    texts: Sequence[str],
    now: datetime,
) -> SilencePreview:
    """What a silence of these matchers would do. Raises BadInput when it could never mute anything."""
    matchers = Matchers.parse(texts)
    notes = tuple(_aliases(matchers, services))
    silence = [Silence("", matchers.labels, "", "", now, datetime.max.replace(tzinfo=now.tzinfo), now)]

    def muted(signal: Signal) -> bool:
        return Muting.of(silence, signal, classify(signal), now) is not None

    with store.read() as tx:
        live = [s for s in _live(tx) if muted(Signal(s.source, s.labels, s.summary, s.last_at))]
        held: Sequence[Held] = tx.held(EVERY)
        incidents = tuple(tx.get(number) for number in sorted({sighting.incident for sighting in live}))
    return SilencePreview(matchers, len(live), incidents, sum(muted(one.signal) for one in held), notes)


def _live(tx: Transaction) -> Iterator[Sighting]:
    after = (0, "", "")
    while some := tx.live(after, _PAGE):
        yield from some
        after = some[-1].incident, some[-1].source, some[-1].fingerprint


def _aliases(matchers: Matchers, services: ServiceMap) -> Iterator[str]:
    """The label `service` of a signal is what the map calls it: an alias never comes that far."""
    text = matchers.labels.get("service")
    if text is None:
        return
    wanted, plain = pattern(text), set(text.split("|"))
    for alias, name in sorted(services.aliases().items()):
        if not wanted.matches(alias) or wanted.matches(name):
            continue
        words = f"{alias} is called {name} here, so service={alias} never matches; write service={name}"
        if alias in plain:
            raise BadInput(f"service: {words}; nothing was changed")
        yield words
