"""Registry: which detector looks at which kind of source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from incident_response.domain.connections import Connection
from incident_response.domain.ports import AirflowRest, Detector, Witnesses
from incident_response.domain.records import Sighting
from incident_response.domain.services import ServiceMap

if TYPE_CHECKING:
    from incident_response.sources.base import Source

    from .airflow_runs import ScanSettings
    from .lookout import Lookout

# Modules of detectors are loaded when there is something to look at: most tasks of a runbook never look.
ALWAYS = ("airflow_runs", "airflow_edges")
_DETECTORS = {  # by kind of source
    "airflow_health": "airflow_health:AirflowHealthDetector",
    "alertmanager": "alertmanager:AlertmanagerDetector",
    "data_quality": "data_quality:DataQualityDetector",
    "docker": "docker_engine:DockerDetector",
    "http_health": "http_health:HttpHealthDetector",
    "loki": "loki:LokiDetector",
    "postgres": "postgres:PostgresDetector",
    "prometheus": "prometheus:PrometheusDetector",
}
Find = Callable[[str], "Connection | None"]


def detector(source: Source, find: Find, airflow: AirflowRest) -> Detector:
    """What looks at a source."""
    kind = source.kind  # type: ignore[attr-defined]  # every class of sources has one, the base has none
    make = resolve_name(f"{__package__}.{_DETECTORS[kind]}")
    # Airflow's own health is asked through its API, everything else through a connection.
    made: Detector = make(source, airflow if kind == "airflow_health" else find)
    return made


class Detectors:
    """All detectors in force. `sources` gives those of include/; a changed file makes new detectors."""

    def __init__(
        self,
        sources: Callable[[], Sequence[Source]],
        find: Find,
        airflow: AirflowRest,
        settings: ScanSettings,
    ) -> None:
        self._sources, self._find, self._airflow, self._settings = sources, find, airflow, settings
        self._made: tuple[Sequence[Source], dict[str, Detector]] | None = None

    def current(self) -> Mapping[str, Detector]:
        """By name."""
        sources = self._sources()
        if self._made is None or self._made[0] != sources:
            made = {source.name: detector(source, self._find, self._airflow) for source in sources}
            self._made = (sources, {**self.always(), **made})
        return self._made[1]

    def always(self) -> Mapping[str, Detector]:
        """Those that no file names."""
        return self._always

    @cached_property
    def _always(self) -> Mapping[str, Detector]:
        from .airflow_edges import AirflowEdges
        from .airflow_runs import AirflowRuns

        found = (AirflowRuns(self._airflow, self._settings), AirflowEdges(self._airflow))
        return {detector.name: detector for detector in found}

    @cached_property
    def _lookout(self) -> Lookout:
        from .again import World
        from .lookout import Lookout

        return Lookout(self._sources, World(self.make, self._find), self._airflow)

    def witnesses(self, services: Callable[[], ServiceMap]) -> Witnesses:
        """Those that see things themselves, to be asked out of turn."""
        from .again import World
        from .eyewitnesses import Eyewitnesses

        return Eyewitnesses(self._sources, World(self.make, self._find), self._airflow, services)

    def make(self, source: Source) -> Detector:
        """A detector for this very source, for one look."""
        return detector(source, self._find, self._airflow)

    def still_firing(
        self, sightings: Sequence[Sighting], now: datetime
    ) -> tuple[Sequence[Sighting], Sequence[Sighting]]:
        """Look at the sources that saw these, out of turn: those that still fire, and those that nobody can
        look at again. Raises SourceUnavailable, NotConfigured.
        """
        return self._lookout.still_firing(sightings, now)

    def missing(self, source: Source) -> Sequence[str]:
        """The connections it waits for."""
        return [conn_id for conn_id in source.connections if self._find(conn_id) is None]
