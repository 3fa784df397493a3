"""Counting signals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields

from incident_response.domain.records import Sighting

from .. import tables
from ..dialect import Many
from .part import Part

_KEY = ("incident", "source", "fingerprint")
_LATEST = (
    "labels",
    "summary",
    "firing",
    "last_at",
    "occurrence",
    "details",
)  # as the latest observation says
_SAME = "excluded.occurrence <> '' AND excluded.occurrence = signals.occurrence"
ADD = Many.insert(
    tables.signals,
    tuple(field.name for field in fields(Sighting)),
    f"({', '.join(_KEY)}) DO UPDATE SET "
    f"count = signals.count + CASE WHEN {_SAME} THEN 0 ELSE excluded.count END, "
    "first_at = CASE WHEN excluded.first_at < signals.first_at "
    "THEN excluded.first_at ELSE signals.first_at END, "
    # The nearer one counts: what was released and is seen again must not be forgotten.
    "role = CASE WHEN signals.role = 'own' OR excluded.role = 'own' THEN 'own' "
    "WHEN signals.role = 'consequence' THEN 'consequence' ELSE excluded.role END, "
    + ", ".join(
        f"{name} = CASE WHEN excluded.last_at >= signals.last_at THEN excluded.{name} ELSE signals.{name} END"
        for name in _LATEST
    ),
)
_SEEN = (
    "SELECT DISTINCT fingerprint, occurrence FROM {s}signals "
    "WHERE fingerprint {among:fingerprints} AND occurrence <> '' AND role = 'own'"
)
# What the latest observation of a thing says counts, whichever source made it.
_FIRING = """
    SELECT incident, count(*) FROM (
        SELECT incident, firing, row_number() OVER (
            PARTITION BY incident, fingerprint ORDER BY last_at DESC, firing DESC
        ) AS place
        FROM {s}signals WHERE incident {among:numbers} AND role = 'own'
    ) AS latest WHERE place = 1 AND firing GROUP BY incident
"""


class Signals(Part):
    """Signals of incidents."""

    def record(self, sightings: Sequence[Sighting]) -> None:
        # In the order of their keys: two transactions that count the same consequences do not wait crosswise.
        ordered = sorted(sightings, key=lambda s: (s.incident, s.fingerprint, s.source))
        self._leave((ADD, [self._mappers.sighting.row(sighting) for sighting in ordered]))

    def seen(self, fingerprints: Collection[str]) -> Collection[tuple[str, str]]:
        rows = self._rows(_SEEN, fingerprints=self._codec.among(fingerprints))
        return {(fingerprint, occurrence) for fingerprint, occurrence in rows}

    def firing(self, numbers: Collection[int]) -> Mapping[int, int]:
        rows = self._rows(_FIRING, numbers=self._codec.among(numbers))
        return dict.fromkeys(numbers, 0) | dict(rows)
