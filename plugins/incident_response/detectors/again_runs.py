"""DAG runs and DAG files looked at again, whoever reported them: Airflow knows how they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable, SourceUnavailable
from incident_response.domain.pipeline_signals import IMPORT_ERROR, RUN_FAILED, RUN_STUCK, TASK_FAILED
from incident_response.domain.ports import AirflowRest
from incident_response.domain.records import Sighting
from incident_response.domain.redaction import one_line

from .again import name
from .airflow_listing import Listing, Run

SOURCES = ("airflow_runs", "callback", "listener")
_MOST_FILES = 300
_PIPELINES = frozenset({TASK_FAILED, RUN_FAILED, RUN_STUCK})


class RunsAgain:
    """Asks Airflow for each run that signals name."""

    def __init__(self, airflow: AirflowRest, seconds: float) -> None:
        self._listing, self._seconds = Listing(airflow, seconds), seconds

    @staticmethod
    def covers(sighting: Sighting) -> bool:
        """When it names a run or a file."""
        if sighting.source not in SOURCES:
            return False
        if name(sighting) in _PIPELINES:
            return bool(sighting.labels.get("dag_id") and sighting.labels.get("run_id"))
        return name(sighting) == IMPORT_ERROR

    def firing(self, seen: Sequence[Sighting]) -> tuple[Sequence[Sighting], Sequence[Sighting]]:
        """Those that still fire, and those whose run was deleted. Raises SourceUnavailable."""
        try:
            return self._firing(seen)
        except (AirflowUnavailable, AirflowRefused) as error:
            raise SourceUnavailable(
                f"airflow_runs: {one_line(str(error), 250)}; it is asked again"
            ) from error

    def _firing(self, seen: Sequence[Sighting]) -> tuple[Sequence[Sighting], Sequence[Sighting]]:
        keys = {key for s in seen if all(key := _key(s))}
        runs: dict[tuple[str, str], Run | None] = {}
        for key in sorted(keys):
            if self._listing.spent:
                raise SourceUnavailable(f"airflow_runs: no answer about all runs within {self._seconds:g} s")
            runs[key] = self._listing.run(key)
        files = self._broken() if any(name(s) == IMPORT_ERROR for s in seen) else frozenset()
        judge: Mapping[str, Callable[[Sighting, Run], bool]] = {
            TASK_FAILED: self._task_failed,
            RUN_FAILED: lambda _, run: run.state != "success" or not self._listing.health(run).is_well,
            RUN_STUCK: _is_stuck,
        }
        firing, gone = [], []
        for sighting in seen:
            if name(sighting) == IMPORT_ERROR:
                if (sighting.labels.get("bundle", ""), sighting.labels.get("filename", "")) in files:
                    firing.append(sighting)
                continue
            run = runs[_key(sighting)]
            if run is None:
                # A run that is stuck no more is over; one that failed and was deleted was never repaired.
                gone += [sighting] if name(sighting) != RUN_STUCK else []
            elif judge[name(sighting)](sighting, run):
                firing.append(sighting)
        return firing, gone

    def _task_failed(self, sighting: Sighting, run: Run) -> bool:
        """As the scan judges: the run is green, and so are this task and what its failure cut off."""
        if run.state != "success":
            return True
        index = sighting.labels.get("map_index", "-1")
        health = self._listing.health(run)
        tasks = {(task, str(number)) for task, number in health.here if health.is_repaired((task, number))}
        return (sighting.labels.get("task_id"), index) not in tasks

    def _broken(self) -> frozenset[tuple[str, str]]:
        listed = self._listing.broken_files(_MOST_FILES)
        if not listed.complete:
            raise SourceUnavailable(f"airflow_runs: more than {_MOST_FILES} DAG files cannot be imported")
        return frozenset(file.key for file in listed.rows)


def _is_stuck(sighting: Sighting, run: Run) -> bool:
    """Still the same start: one that was cleared runs anew."""
    if run.state != "running":
        return False
    told = sighting.details.get("started_at")
    return not told or run.started_at is None or run.started_at <= datetime.fromisoformat(told)


def _key(sighting: Sighting) -> tuple[str, str]:
    return sighting.labels.get("dag_id", ""), sighting.labels.get("run_id", "")
