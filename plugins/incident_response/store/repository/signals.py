"""Counting signals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields

from incident_response.domain.records import Sighting

from .. import tables
from ..dialect import Many
from .part import Part
from .reading import select

_KEY = ("incident", "source", "fingerprint")
_LATEST = ("labels", "summary", "firing", "occurrence", "details")  # as the latest observation says
_SAME = "excluded.occurrence <> '' AND excluded.occurrence = signals.occurrence"
_LATER = "excluded.last_at >= signals.last_at"


def _counted(says: str) -> Many:
    """Count rows in. `says`: when the row handed in has the last word."""
    return Many.insert(
        tables.signals,
        tuple(field.name for field in fields(Sighting)),
        f"({', '.join(_KEY)}) DO UPDATE SET "
        f"count = signals.count + CASE WHEN {_SAME} THEN 0 ELSE excluded.count END, "
        "first_at = CASE WHEN excluded.first_at < signals.first_at "
        "THEN excluded.first_at ELSE signals.first_at END, "
        f"last_at = CASE WHEN {_LATER} THEN excluded.last_at ELSE signals.last_at END, "
        # The nearer one counts: what was released and is seen again must not be forgotten.
        "role = CASE WHEN signals.role = 'own' OR excluded.role = 'own' THEN 'own' "
        "WHEN signals.role = 'consequence' THEN 'consequence' ELSE excluded.role END, "
        + ", ".join(
            f"{name} = CASE WHEN {says} THEN excluded.{name} ELSE signals.{name} END" for name in _LATEST
        ),
    )


# What is told now is later than all that was told before, whatever a clock says; a happening has its time.
TOLD = _counted(f"excluded.occurrence = '' OR {_LATER}")
MOVED = _counted(_LATER)  # rows that were told at some time, from one incident to another
_SEEN = (
    "SELECT DISTINCT fingerprint, occurrence FROM {s}signals "
    "WHERE fingerprint {among:fingerprints} AND occurrence <> '' AND role = 'own'"
)
_TOLD_OF = (
    select(Sighting, "signals")
    + "WHERE incident = :number AND fingerprint {among:fingerprints} ORDER BY source"
)
_KNOWN = "SELECT DISTINCT fingerprint FROM {s}signals WHERE fingerprint {among:fingerprints}"
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
        self._leave((TOLD, [self._mappers.sighting.row(sighting) for sighting in ordered]))

    def seen(self, fingerprints: Collection[str]) -> Collection[tuple[str, str]]:
        rows = self._rows(_SEEN, fingerprints=self._codec.among(fingerprints))
        return {(fingerprint, occurrence) for fingerprint, occurrence in rows}

    def told_of(self, number: int, fingerprints: Collection[str]) -> Sequence[Sighting]:
        among = self._codec.among(fingerprints)
        return self._records(self._mappers.sighting, _TOLD_OF, number=number, fingerprints=among)

    def known(self, fingerprints: Collection[str]) -> Collection[str]:
        return {found for (found,) in self._rows(_KNOWN, fingerprints=self._codec.among(fingerprints))}

    def firing(self, numbers: Collection[int]) -> Mapping[int, int]:
        rows = self._rows(_FIRING, numbers=self._codec.among(numbers))
        return dict.fromkeys(numbers, 0) | dict(rows)
