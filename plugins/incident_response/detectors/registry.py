"""Registry: which detector looks at which kind of source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from incident_response.domain.connections import Connection
from incident_response.domain.ports import AirflowRest, Detector, Sighting
from incident_response.sources.airflow_health import AirflowHealthSource
from incident_response.sources.alertmanager import AlertmanagerSource
from incident_response.sources.base import Source
from incident_response.sources.data_quality import DataQualitySource
from incident_response.sources.docker_engine import DockerSource
from incident_response.sources.http_health import HttpHealthSource
from incident_response.sources.loki import LokiSource
from incident_response.sources.postgres import PostgresSource
from incident_response.sources.prometheus import PrometheusSource

from .again import World
from .airflow_edges import AirflowEdges
from .airflow_health import AirflowHealthDetector
from .airflow_runs import AirflowRuns, ScanSettings
from .alertmanager import AlertmanagerDetector
from .data_quality import DataQualityDetector
from .docker_engine import DockerDetector
from .http_health import HttpHealthDetector
from .loki import LokiDetector
from .lookout import Lookout
from .postgres import PostgresDetector
from .prometheus import PrometheusDetector

ALWAYS = (AirflowRuns.name, AirflowEdges.name)
Find = Callable[[str], "Connection | None"]


def detector(source: Source, find: Find, airflow: AirflowRest) -> Detector:
    """What looks at a source."""
    match source:
        case AirflowHealthSource():
            return AirflowHealthDetector(source, airflow)
        case AlertmanagerSource():
            return AlertmanagerDetector(source, find)
        case DataQualitySource():
            return DataQualityDetector(source, find)
        case DockerSource():
            return DockerDetector(source, find)
        case HttpHealthSource():
            return HttpHealthDetector(source, find)
        case LokiSource():
            return LokiDetector(source, find)
        case PostgresSource():
            return PostgresDetector(source, find)
        case PrometheusSource():
            return PrometheusDetector(source, find)
    raise TypeError(f"no detector looks at {type(source).__name__}")


class Detectors:
    """All detectors in force. `sources` gives those of include/; a changed file makes new detectors."""

    def __init__(
        self,
        sources: Callable[[], Sequence[Source]],
        find: Find,
        airflow: AirflowRest,
        settings: ScanSettings,
    ) -> None:
        self._sources, self._find, self._airflow = sources, find, airflow
        self._always: dict[str, Detector] = {
            AirflowRuns.name: AirflowRuns(airflow, settings),
            AirflowEdges.name: AirflowEdges(airflow),
        }
        self._lookout = Lookout(sources, World(self.make, find), airflow)
        self._made: tuple[Sequence[Source], dict[str, Detector]] | None = None

    def current(self) -> Mapping[str, Detector]:
        """By name."""
        sources = self._sources()
        if self._made is None or self._made[0] != sources:
            made = {source.name: detector(source, self._find, self._airflow) for source in sources}
            self._made = (sources, {**self._always, **made})
        return self._made[1]

    def always(self) -> Mapping[str, Detector]:
        """Those that no file names."""
        return self._always

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
