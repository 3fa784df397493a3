"""Evidence: exhibits are redacted, cut to size and kept outside of the store, which knows where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from incident_response.domain.actions import Exhibit
from incident_response.domain.errors import EvidenceUnavailable, IncidentNotFound
from incident_response.domain.evidence import MOST_OF_INCIDENT, EvidenceStore, KeptExhibit, clipped
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.redaction import redact

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


class Evidence:
    """Keeps, shows and drops exhibits."""

    def __init__(self, store: Store, shelf: EvidenceStore) -> None:
        self._store, self._shelf = store, shelf

    def keep(
        self, incident: Incident, attempt: int, step: str, exhibits: Sequence[Exhibit], now: datetime
    ) -> tuple[list[str], str]:
        """Keep them. Returns their names, and what to say about those that could not be kept.

        Evidence never stops a repair; a store that is away holds it up once and not for each exhibit.
        """
        if not exhibits:
            return [], ""
        with self._store.read() as tx:
            used = sum(one.size for one in tx.exhibits(incident.number) if one.place)
        kept: list[KeptExhibit] = []
        trouble, away = "", False
        for number, exhibit in enumerate(exhibits, 1):
            content = clipped(Exhibit(exhibit.name, redact(exhibit.content), exhibit.media))
            safe = _STRANGE.sub("-", exhibit.name)[:100].strip("-.") or "exhibit"
            place = f"{incident.key}/{attempt}/{step}/{number:02}-{safe}"
            if used + len(content) > MOST_OF_INCIDENT:
                place, trouble = "", f"; no more than {MOST_OF_INCIDENT} bytes of evidence are kept"
            elif away:
                place = ""
            else:
                try:
                    self._shelf.keep(place, content)
                    used += len(content)
                except EvidenceUnavailable as error:
                    place, trouble, away = "", f"; evidence was not kept: {error}", True
            kept.append(
                KeptExhibit(
                    incident.number,
                    attempt,
                    step,
                    exhibit.name[:200],
                    exhibit.media,
                    place,
                    len(content),
                    now,
                )
            )
        with self._store.transaction() as tx:
            tx.add_exhibits(kept)
        return [one.name for one in kept if one.place], trouble

    def prune(self, before: datetime) -> Mapping[str, int]:
        """Delete what the store does not need any more, files of evidence included; how many of each.

        The files go first: a place that is forgotten would stay for ever. Raises EvidenceUnavailable, and
        then nothing is deleted from the store.
        """
        with self._store.read() as tx:
            places = list(tx.places_before(before))
        self._shelf.drop(places)
        with self._store.transaction() as tx:
            return {**tx.prune(before), "exhibits": len(places)}

    def read(self, number: int, place: str) -> tuple[KeptExhibit, bytes]:
        """One exhibit of an incident. Raises IncidentNotFound when it has none there, EvidenceUnavailable."""
        with self._store.read() as tx:
            tx.get(number)
            found = next((one for one in tx.exhibits(number) if place and one.place == place), None)
        if found is None:
            raise IncidentNotFound(f"INC-{number} has no such piece of evidence")
        return found, self._shelf.read(found.place)
