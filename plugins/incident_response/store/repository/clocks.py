"""Signs of life of the clocks, and the escalation policies that incidents carry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from incident_response.domain.records import Heartbeat

from .. import tables
from ..dialect import Many
from ..documents import clean
from ..rules import no_policy
from .part import Part

_BEAT = Many.insert(
    tables.heartbeats,
    ("name", "at", "since", "data"),
    "(name) DO UPDATE SET at = excluded.at, since = excluded.since, data = excluded.data",
)
_SEEN = "SELECT name, at, since, data FROM {s}heartbeats WHERE at >= :since ORDER BY at DESC, name"
_KEEP = (
    "INSERT INTO {s}policies (digest, source, kept_at) VALUES (:digest, :source, :now) "
    "ON CONFLICT (digest) DO NOTHING"
)
_SOURCE = "SELECT source FROM {s}policies WHERE digest = :digest"
_LATEST = "SELECT source FROM {s}policies ORDER BY kept_at DESC LIMIT 1"


class Clocks(Part):
    """What the clocks leave and need beside incidents."""

    def beat(self, heartbeat: Heartbeat) -> None:
        self._leave((_BEAT, [self._mappers.heartbeat.row(heartbeat)]))

    def heartbeats(self, since: datetime) -> Sequence[Heartbeat]:
        return self._records(self._mappers.heartbeat, _SEEN, since=self._codec.moment(since))

    def keep_policy(self, digest: str, source: str, now: datetime) -> None:
        self._run(_KEEP, digest=digest, source=clean(source), now=self._codec.moment(now))

    def policy_source(self, digest: str) -> str:
        source: str | None = self._value(_SOURCE, digest=digest)
        if source is None:
            raise no_policy(digest)
        return source

    def latest_policy(self) -> str | None:
        source: str | None = self._value(_LATEST)
        return source
