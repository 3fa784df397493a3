"""AirflowRuns: the reconcile scan of Airflow's own runs, the backstop for what no callback ever told.

A task whose process was killed runs no callback, a run that is deadlocked has no task that failed, a file
that cannot be imported has no run at all: Airflow's database knows all of them, and its REST API tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from incident_response.domain.errors import AirflowRefused
from incident_response.domain.logs import logger
from incident_response.domain.ports import AirflowRest, Observation
from incident_response.domain.signals import Signal

from .airflow_failures import FailureScan
from .airflow_imports import ImportScan
from .airflow_listing import Listing
from .airflow_memory import Memory
from .airflow_stuck import StuckScan

log = logger(__name__)

NAME = "airflow_runs"
_SECONDS = 60.0  # after which a scan begins nothing new; the rest is for the next one


class ScanSettings(Protocol):
    """The settings a scan needs; lengths of time in seconds."""

    @property
    def opt_out_tag(self) -> str:
        """DAGs with this tag are left out."""

    @property
    def detection_interval(self) -> float:
        """Between two scans."""

    @property
    def detection_lookback(self) -> float:
        """How far the very first scan looks back."""

    @property
    def stuck_after(self) -> float:
        """A run that runs for longer is stuck …"""

    @property
    def stuck_factor(self) -> float:
        """… or one that takes this many times the median of its last successful runs …"""

    @property
    def stuck_least(self) -> float:
        """… if it runs for at least this long."""


class AirflowRuns:
    """Detector of failed, stuck and import-broken DAGs."""

    name = NAME
    time_limit = timedelta(seconds=_SECONDS + 30)

    def __init__(self, api: AirflowRest, settings: ScanSettings) -> None:
        self._api, self._settings = api, settings
        self.interval = timedelta(seconds=settings.detection_interval)

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        """Look once. Raises AirflowUnavailable, and AirflowRefused when nothing at all may be read."""
        memory = Memory.of(cursor, now - timedelta(seconds=self._settings.detection_lookback))
        signals: list[Signal] = []
        refused: list[AirflowRefused] = []
        parts = self._parts(Listing(self._api, _SECONDS))
        for part in parts:
            changed = memory.copy()
            try:
                signals += part.look(changed, now)
            except AirflowRefused as refusal:
                refused.append(refusal)
            else:
                memory = changed
        if len(refused) == len(parts):
            raise refused[0]
        for error in refused:
            log.warning(
                "%s cannot look at everything: %s; give its user the permission to read it", NAME, error
            )
        return Observation(signals, memory.cursor())

    def _parts(self, listing: Listing) -> tuple[FailureScan, StuckScan, ImportScan]:
        tag = self._settings.opt_out_tag
        return (
            FailureScan(listing, NAME, tag),
            StuckScan(
                listing,
                NAME,
                tag,
                after=timedelta(seconds=self._settings.stuck_after),
                factor=self._settings.stuck_factor,
                least=timedelta(seconds=self._settings.stuck_least),
            ),
            ImportScan(listing, NAME, tag),
        )
