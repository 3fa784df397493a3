"""Lookout: the detectors asked out of turn, whether what they saw still fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from incident_response.domain.errors import IncidentResponseError, SourceUnavailable
from incident_response.domain.ports import AirflowRest, Sighting
from incident_response.sources.base import Source

from .again import Again, World
from .again_alerts import AlertmanagerAgain, LokiAgain, PrometheusAgain
from .again_data import DataQualityAgain
from .again_docker import DockerAgain
from .again_runs import RunsAgain
from .again_services import AirflowHealthAgain, HttpHealthAgain, PostgresAgain
from .parallel import settle

AGAIN: Mapping[str, Again[Any]] = {
    again.kind: again
    for again in (
        AirflowHealthAgain(),
        AlertmanagerAgain(),
        DataQualityAgain(),
        DockerAgain(),
        HttpHealthAgain(),
        LokiAgain(),
        PostgresAgain(),
        PrometheusAgain(),
    )
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
        for source in self._sources():
            again = AGAIN.get(getattr(source, "kind", ""))
            if again is None:
                continue
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
