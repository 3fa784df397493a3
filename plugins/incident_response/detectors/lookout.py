"""Lookout: the detectors asked out of turn, whether what they saw still fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from incident_response.domain.errors import IncidentResponseError, SourceUnavailable
from incident_response.domain.ports import AirflowRest
from incident_response.domain.records import Sighting

from .again import Again, World
from .again_runs import RunsAgain
from .parallel import settle

if TYPE_CHECKING:
    from incident_response.sources.base import Source

AGAIN: Mapping[str, str] = {  # by source of a sighting; loaded when it is asked
    "airflow_health": "again_services:AirflowHealthAgain",
    "alertmanager": "again_alerts:AlertmanagerAgain",
    "data_quality": "again_data:DataQualityAgain",
    "docker": "again_docker:DockerAgain",
    "http_health": "again_services:HttpHealthAgain",
    "loki": "again_alerts:LokiAgain",
    "postgres": "again_services:PostgresAgain",
    "prometheus": "again_alerts:PrometheusAgain",
}
_RUNS = "airflow_runs"
_RUN_SECONDS = 20.0
_GRACE = 2.0  # seconds beyond a look's own limit
_THREADS = 16

Verdict = tuple[Sequence[Sighting], Sequence[Sighting]]  # those that fire, those that nobody can look at


class Lookout:
    """Looks at the sources that saw something, all at once."""

    def __init__(self, sources: Callable[[], Sequence[Source]], world: World, airflow: AirflowRest) -> None:
        self._sources, self._world, self._airflow = sources, world, airflow

    def still_firing(self, sightings: Sequence[Sighting], now: datetime) -> Verdict:
        """Those that still fire, and those that nobody can look at again.

        Signals that have ended by their detector's word are looked at, too: quiet is not fixed. Raises
        SourceUnavailable and NotConfigured when one that could be looked at gives no answer.
        """
        jobs: dict[str, Callable[[], Verdict]] = {}
        seconds = 0.0
        covered: set[int] = set()
        kinds = AGAIN.keys() & {sighting.source for sighting in sightings}
        for source in self._sources() if kinds else ():
            kind = getattr(source, "kind", "")
            if kind not in kinds:
                continue
            again = again_of(kind)
            seen = [s for s in sightings if s.source == again.kind and again.covers(source, s, self._world)]
            if seen:
                covered |= {id(sighting) for sighting in seen}
                jobs[source.name] = partial(self._look, again, source, seen, now)
                seconds = max(seconds, source.time_limit.total_seconds())
        if runs := [sighting for sighting in sightings if RunsAgain.covers(sighting)]:
            covered |= {id(sighting) for sighting in runs}
            jobs[_RUNS] = partial(RunsAgain(self._airflow, _RUN_SECONDS).firing, runs)
            seconds = max(seconds, _RUN_SECONDS)
        said = settle(jobs, threads=_THREADS, seconds=seconds + _GRACE)
        if silent := sorted(jobs.keys() - said.keys()):
            raise SourceUnavailable(f"{silent[0]}: no answer within {seconds:g} s; it is asked again")
        fires = {id(sighting) for firing, _ in said.values() for sighting in firing}
        gone = {id(sighting) for _, blind in said.values() for sighting in blind}
        return (
            [sighting for sighting in sightings if id(sighting) in fires],
            [s for s in sightings if id(s) in gone or id(s) not in covered],
        )

    def _look(self, again: Again[Any], source: Source, seen: Sequence[Sighting], now: datetime) -> Verdict:
        try:
            return again.firing(source, seen, self._world, now), ()
        except IncidentResponseError:
            raise
        except (KeyError, ValueError, TypeError) as error:
            # A strange answer must not pass for quiet, nor end the check for good.
            raise SourceUnavailable(
                f"{source.name}: its answer cannot be read ({type(error).__name__})"
            ) from error


@cache
def again_of(kind: str) -> Again[Any]:
    """What looks once more for sightings of this source."""
    made: Again[Any] = resolve_name(f"{__package__}.{AGAIN[kind]}")()
    return made
