"""Incidents of one cause: finding them, and moving signals from one to another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from incident_response.domain.incidents import Incident
from incident_response.domain.records import Role, Sighting
from incident_response.domain.severities import Scenario

from .. import tables
from ..dialect import Many
from ..tables import FOLLOWS, NOT_CLOSED, OPEN
from . import incidents
from .part import Part
from .reading import select
from .signals import MOVED

_GATHERING = "SELECT pg_advisory_xact_lock(hashtextextended('gathering', 0))"
_BARRED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('gathering', 0))"
_OPEN_ON = f"{incidents.SELECT} WHERE {OPEN} AND service {{among:services}} ORDER BY number"
_OPENED = (
    f"SELECT scenario, service FROM {{s}}incidents WHERE number > :above AND opened_at >= :since AND {OPEN}"
)
_ABOVE = f"{incidents.SELECT} WHERE number > :above AND opened_at >= :since AND {OPEN} ORDER BY number"
_OWE = Many.insert(
    tables.effects, ("key", "incident", "state", "begun_by", "begun_at", "detail"), "(key) DO NOTHING"
)
# Of the latest incidents only: by their index, whatever the database thinks of the order of texts.
_OWED = (
    "SELECT detail FROM {s}effects WHERE incident > (SELECT max(number) - 500 FROM {s}incidents) "
    "AND key = 'gather:' || incident AND begun_at < :before"
)
_GATHERED = "DELETE FROM {s}effects WHERE key {among:keys}"
_FOLLOWED = select(Sighting, "signals") + (
    f"WHERE fingerprint {{among:fingerprints}} AND {FOLLOWS} ORDER BY incident, source, fingerprint"
)
_WAITING = select(Sighting, "signals") + (
    "WHERE firing AND role <> 'released' AND CAST(details AS TEXT) LIKE '%\"waits_for\"%' "
    f"AND incident IN (SELECT number FROM {{s}}incidents WHERE {OPEN}) ORDER BY incident, source, fingerprint"
)
_HOLDING = (
    "SELECT fingerprint, max(incident) FROM {s}signals "
    "WHERE fingerprint {among:fingerprints} AND role = 'own' "
    f"AND incident IN (SELECT number FROM {{s}}incidents WHERE {OPEN}) GROUP BY fingerprint"
)
# What took over may have been taken over itself. Of one key the latest incident says where it is now.
_MERGED = f"""
    WITH RECURSIVE way (dedup_key, number, merged_into) AS (
        SELECT dedup_key, number, merged_into FROM {{s}}incidents
        WHERE merged_into IS NOT NULL AND number IN (
            SELECT max(number) FROM {{s}}incidents
            WHERE dedup_key {{among:keys}} AND {NOT_CLOSED} GROUP BY dedup_key
        )
        UNION
        SELECT way.dedup_key, parent.number, parent.merged_into FROM way
        JOIN {{s}}incidents AS parent ON parent.number = way.merged_into
    )
    SELECT way.dedup_key, way.number, parent.service
    FROM way JOIN {{s}}incidents AS parent ON parent.number = way.number
    WHERE way.merged_into IS NULL AND parent.{OPEN}
"""
_OF = select(Sighting, "signals") + "WHERE incident = :number ORDER BY source, fingerprint"
_DROP = "DELETE FROM {s}signals WHERE incident = :number"
_DROP_ONE = f"{_DROP} AND source = :source AND fingerprint = :fingerprint"
_SKIP = (
    "UPDATE {s}outbox SET state = 'skipped', settled_at = :now, error = 'merged into another incident' "
    "WHERE incident = :number AND state = 'pending'"
)
_ORPHANS = select(Sighting, "signals") + (
    f"WHERE {FOLLOWS} AND incident IN "
    "(SELECT number FROM {s}incidents WHERE status IN ('resolved', 'closed')) "
    "ORDER BY incident, source, fingerprint LIMIT :limit {skip}"
)
_RELEASE = (
    "UPDATE {s}signals SET role = 'released' "
    "WHERE incident = :number AND source = :source AND fingerprint = :fingerprint"
)


class Causes(Part):
    """What belongs together."""

    def lock_gathering(self) -> None:
        if self._dialect.name == "postgresql":  # SQLite has one writer anyway
            self._rows(_GATHERING)

    def bar_gathering(self) -> None:
        if self._dialect.name == "postgresql":
            self._first(_BARRED)

    def open_on(self, services: Collection[str]) -> Sequence[Incident]:
        return self._records(self._mappers.incident, _OPEN_ON, services=self._codec.among(services))

    def opened(self, above: int, since: datetime) -> Sequence[tuple[Scenario, str]]:
        found = self._rows(_OPENED, above=above, since=self._codec.moment(since))
        return [(Scenario(scenario), service) for scenario, service in found]

    def open_above(self, above: int, since: datetime) -> Sequence[Incident]:
        moment = self._codec.moment(since)
        return self._records(self._mappers.incident, _ABOVE, above=above, since=moment)

    def owe_gathering(self, numbers: Collection[int], now: datetime) -> None:
        detail = self._codec.document({"numbers": sorted(numbers)})
        row = {"key": f"gather:{max(numbers)}", "incident": max(numbers), "state": "begun", "detail": detail}
        self._leave((_OWE, [{**row, "begun_by": "system:grouping", "begun_at": self._codec.moment(now)}]))

    def owed(self, before: datetime) -> Collection[int]:
        rows = self._rows(_OWED, before=self._codec.moment(before))
        return {int(n) for (detail,) in rows for n in self._codec.read_document(detail)["numbers"]}

    def gathered(self, numbers: Collection[int]) -> None:
        self._run(_GATHERED, keys=self._codec.among([f"gather:{number}" for number in numbers]))

    def followed(self, fingerprints: Collection[str]) -> Sequence[Sighting]:
        among = self._codec.among(fingerprints)
        return self._records(self._mappers.sighting, _FOLLOWED, fingerprints=among)

    def waiting(self) -> Sequence[Sighting]:
        return self._records(self._mappers.sighting, _WAITING)

    def holding(self, fingerprints: Collection[str]) -> Mapping[str, int]:
        return dict(self._rows(_HOLDING, fingerprints=self._codec.among(fingerprints)))

    def merged(self, dedup_keys: Collection[str]) -> Mapping[str, tuple[int, str]]:
        rows = self._rows(_MERGED, keys=self._codec.among(dedup_keys))
        return {key: (number, service) for key, number, service in rows}

    def move_signals(self, number: int, to: int, role: Role) -> None:
        mapper = self._mappers.sighting
        rows = [mapper.row(sighting) for sighting in self._records(mapper, _OF, number=number)]
        if rows:
            own = Role.OWN.value  # what was a consequence stays one
            roles = {**{r.value: r.value for r in Role}, own: role.value}
            self._write(MOVED, [{**row, "incident": to, "role": roles[row["role"]]} for row in rows])
            self._run(_DROP, number=number)

    def take_signals(self, number: int, keys: Collection[tuple[str, str]]) -> Sequence[Sighting]:
        found = self._records(self._mappers.sighting, _OF, number=number)
        taken = [sighting for sighting in found if (sighting.source, sighting.fingerprint) in keys]
        for sighting in taken:
            self._run(_DROP_ONE, number=number, source=sighting.source, fingerprint=sighting.fingerprint)
        return taken

    def skip_parcels(self, number: int, now: datetime) -> int:
        return self._run(_SKIP, number=number, now=self._codec.moment(now))

    def lock_orphans(self, limit: int) -> Sequence[Sighting]:
        return self._records(self._mappers.sighting, _ORPHANS, limit=limit)

    def release(self, sightings: Sequence[Sighting]) -> None:
        for sighting in sightings:
            self._run(
                _RELEASE,
                number=sighting.incident,
                source=sighting.source,
                fingerprint=sighting.fingerprint,
            )
