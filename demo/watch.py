"""The live lines: what the store's timelines say, told as it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone

from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction

from .terminal import Terminal, wait

_TOLD = frozenset(
    {
        EventKind.OPENED,
        EventKind.PAGED,
        EventKind.ESCALATED,
        EventKind.OVERDUE,
        EventKind.REMEDIATION,
        EventKind.MITIGATED,
        EventKind.RESOLVED,
        EventKind.REOPENED,
        EventKind.DELIVERY_FAILED,
        EventKind.ACKNOWLEDGED,
        EventKind.NOTE,
    }
)
_PAUSE = 0.5


class Watch:
    """Tells each event once, in the order of their times; reminders in the same words are not told again."""

    def __init__(self, store: Store, terminal: Terminal) -> None:
        self._store, self._terminal = store, terminal
        self._told: Counter[int] = Counter()  # events told, by incident
        self._words: set[tuple[int, str]] = set()
        self._begin = datetime.now(timezone.utc)

    def look(self) -> None:
        """Tell what is new."""
        try:
            with self._store.read() as tx:
                news = sorted(self._news(tx), key=lambda pair: pair[1].at)
        except StoreUnavailable:
            return  # busy for a moment; nothing is missed, the next look tells it
        for incident, event in news:
            if event.kind in _TOLD and (incident.number, event.text) not in self._words:
                self._words.add((incident.number, event.text))
                self._terminal.line(f"{incident.key:<6} {incident.service:<34} {_text(event)}", event.at)

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look until the condition holds; False when it did not within that time."""
        for _ in range(int(seconds / _PAUSE)):
            self.look()
            if condition():
                return True
            wait(_PAUSE)
        return condition()

    def _news(self, tx: Transaction) -> list[tuple[Incident, TimelineEvent]]:
        incidents = [row.incident for row in tx.board(500)]
        incidents += tx.recent(self._begin, 500)
        found = []
        for incident in incidents:
            events = tx.timeline(incident.number)
            found += [(incident, event) for event in events[self._told[incident.number] :]]
            self._told[incident.number] = len(events)
        return found


def _text(event: TimelineEvent) -> str:
    if event.kind is EventKind.OPENED:
        return f"opened by {event.data['source']} {event.data['detected_after']:.1f} s after it: {event.text}"
    return " ".join(event.text.split())
