"""Signal: one outside observation, firing or resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from .times import utc

_FNV_OFFSET, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF
_SEPARATOR = b"\xff"
ALERTNAME = "alertname"
UNPROVEN = "unproven"  # where `details` of a resolved signal say why it is no proof of health
STARTS_AT = "starts_at"  # a detail: since when it fires, as its sender says; compared with its like only


def fingerprint(labels: Mapping[str, str]) -> str:
    """Alertmanager's fingerprint of a label set: FNV-1a-64 over the sorted labels, 16 hex digits."""
    return _fingerprint(tuple(sorted(labels.items())))


@lru_cache(4096)  # what fires is told again and again, and Python is slow at counting bytes
def _fingerprint(labels: tuple[tuple[str, str], ...]) -> str:
    digest = _FNV_OFFSET
    for byte in b"".join(name.encode() + _SEPARATOR + value.encode() + _SEPARATOR for name, value in labels):
        digest = ((digest ^ byte) * _FNV_PRIME) & _MASK
    return f"{digest:016x}"


def start_of(details: Mapping[str, Any]) -> str:
    """See Signal.start."""
    return str(details.get(STARTS_AT) or details.get("since") or "")


@dataclass(frozen=True)
class Signal:
    """One outside observation, firing or resolved, from any source."""

    source: str  # who saw it: callback, listener, airflow_runs, person, …
    labels: Mapping[
        str, str
    ]  # `alertname` and what identifies the thing; the fingerprint is computed from them
    summary: str  # one line for people
    # When it happened, as its sender says, whose clock may be a year ahead: it is shown. What a source says
    # now is decided by the order of arrival.
    occurred_at: datetime
    firing: bool = True
    occurrence: str = ""  # identity of one happening (`dag/run/task/map/try`); "" when the source has none
    details: Mapping[str, Any] = field(default_factory=dict)  # kept as evidence; JSON values only

    def __post_init__(self) -> None:
        object.__setattr__(self, "occurred_at", utc(self.occurred_at))

    @property
    def alertname(self) -> str:
        """The label of this name, empty when there is none."""
        return self.labels.get(ALERTNAME, "")

    @property
    def start(self) -> str:
        """The sender's mark of this firing, the same with each repeat and with its end; empty: none.

        Two marks are the same or not; a sender that cuts its times may give two firings the same one.
        """
        return start_of(self.details)

    @property
    def name(self) -> str:
        """The alert's name, `unnamed` when the source gave none."""
        return self.labels.get(ALERTNAME, "unnamed")

    @property
    def unproven(self) -> str:
        """Why the end that it tells proves nothing: `MissingSeries`. Empty for all others."""
        return "" if self.firing else str(self.details.get(UNPROVEN) or "")

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the thing observed; the same for every source that gives the same labels."""
        return fingerprint(self.labels)
