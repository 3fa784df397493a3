"""airflow.runs_ended, airflow.runs_green and airflow.upstream_backoff: is it over, is it time?"""

from __future__ import annotations

from typing import ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.domain.times import in_words
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_proof import concluded, look_again
from .airflow_reading import find_run
from .airflow_records import ENDED, counted, listed, named_runs, seen_runs, tells_stuck
from .kit import Kit


class RunsEnded:
    """Airflow would kill what still works in a run that is cleared."""

    parameters: ClassVar[type[Parameters]] = models.RunsEnded

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Proven when none of them works any more; one that was deleted has ended."""
        api = Bounded(self._kit.airflow, scene.seconds)
        stuck = {target for one in scene.sightings if tells_stuck(one) for target in named_runs([one])}
        found = {run.name: find_run(api, run) for run in named_runs(scene.sightings) if run not in stuck}
        working = [name for name, run in found.items() if run is not None and run["state"] not in ENDED]
        if working:
            return Finding(one_line(f"Still at work: {listed(working, 3)}", 200), proven=None)
        return Finding(f"{counted(list(found), 'run')} ended", proven=True)


class RunsGreen:
    """The very same runs, and what had failed in them: a later run proves nothing of this date."""

    parameters: ClassVar[type[Parameters]] = models.RunsGreen

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """None while one of them still works or waits, and nothing has failed again."""
        api = Bounded(self._kit.airflow, scene.seconds)
        seen = seen_runs(scene, scene.parameters.seen_by)
        if not seen:
            return Finding("No run was seen, so nothing proves that anything is repaired", proven=False)
        if left_out := scene.found[scene.parameters.seen_by].get("runs_left_out"):
            return Finding(f"{left_out} more runs were named than were looked at; look at them", proven=False)
        return concluded([look_again(api, scene, one) for one in seen])


class UpstreamBackoff:
    """Asking an API at once that has just said `too many requests` makes it worse."""

    parameters: ClassVar[type[Parameters]] = models.UpstreamBackoff

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """By the latest failure that was seen."""
        seen = seen_runs(scene, scene.parameters.seen_by)
        failed = [run for run in seen if run.is_failed]
        if not failed:
            return Finding("No run has failed, so there is nothing to wait for", proven=True)
        # A run that others still work in may not tell when its task failed; the incident does.
        failed_at = max(run.failed_at or scene.incident.started_at for run in failed)
        at = scene.parameters.not_before(failed_at, scene.attempt)
        left = at - self._kit.now()
        data = {"not_before": at.isoformat(), "failed_at": failed_at.isoformat(), "attempt": scene.attempt}
        if left.total_seconds() <= 0:
            return Finding(f"The pause before attempt {scene.attempt} is over", data, proven=True)
        text = f"Attempt {scene.attempt} waits for {in_words(left)} more, until {at:%H:%M:%S} UTC"
        return Finding(text, data, proven=None)
