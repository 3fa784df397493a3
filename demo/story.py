"""The story: what is triggered when, and until when each is watched."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Store
from incident_response.domain.timeline import EventKind
from tests.support.airflow import COMPONENTS, Airflow

from . import by_hand, outcome
from .by_hand import ByHand
from .installation import NEEDED
from .outcome import Outcome
from .pipelines import ALL, ALWAYS, FLOOD, KILLED, ONCE, YARDSTICK, Pipeline
from .runs import PipelineRun
from .terminal import Terminal
from .watch import Watch

_READY, _HEALED, _CLIMBED = 120.0, 150.0, 120.0  # seconds
_LOOKS_PER_EXAMINATION = 20


@dataclass(frozen=True)
class Told:
    """The whole story, for the table."""

    outcomes: Sequence[Outcome]
    by_hand: ByHand


class Story:
    """Plays on a running Airflow. A wait that is in vain is told and does not stop the rest."""

    def __init__(self, airflow: Airflow, store: Store, terminal: Terminal) -> None:
        self._airflow, self._store, self._terminal = airflow, store, terminal
        self._watch = Watch(store, terminal)

    def get_ready(self) -> None:
        """Until all DAGs are known and the clock ticks. Raises TimeoutError, RuntimeError (import error)."""
        for dag_id in (*NEEDED, *(pipeline.dag_id for pipeline in (*ALL, YARDSTICK))):
            self._airflow.wait_dag(dag_id, timeout=_READY)
        if not self._watch.until(self._is_ticking, _READY):
            raise TimeoutError(
                f"the clock has not ticked for {_READY:.0f} s; see {self._airflow.folder}/triggerer.log"
            )

    def play(self) -> Told:
        """All of it. One pipeline first, alone, so that its seconds can be compared; then three at once."""
        self._terminal.start_story()
        self._terminal.line(f"{YARDSTICK.dag_id}: {YARDSTICK.what}, three times, as a yardstick")
        yardstick = by_hand.measure(self._airflow)
        once = self._trigger(ONCE)
        self._wait("its repair", lambda: self._is_resolved(ONCE), _HEALED)
        runs = [once, *(self._trigger(pipeline) for pipeline in (ALWAYS, KILLED, FLOOD))]
        self._wait("the repairs", lambda: all(map(self._is_resolved, (KILLED, FLOOD))), _HEALED)
        self._wait("Level 4", lambda: self._is_paged_at_the_top(ALWAYS), _CLIMBED)
        return Told([outcome.look(self._store, run) for run in runs], yardstick)

    def go_on(self) -> None:
        """Tell what happens, for ever."""
        self._watch.until(lambda: False, float(10**9))

    def _trigger(self, pipeline: Pipeline) -> PipelineRun:
        self._terminal.line(f"{pipeline.dag_id}: {pipeline.what}")
        return PipelineRun.start(self._airflow, pipeline, f"demo-{datetime.now(timezone.utc):%H%M%S}")

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        looks = itertools.count()

        def arrived() -> bool:
            if next(looks) % _LOOKS_PER_EXAMINATION == 0:
                for component in COMPONENTS:
                    self._airflow.healthy(component)  # one that has ended raises, with the end of its log
            return condition()

        if not self._watch.until(arrived, seconds):
            self._terminal.line(f"waited {seconds:.0f} s for {what}, in vain")

    def _incident(self, pipeline: Pipeline) -> Incident | None:
        with self._store.read() as tx:
            return next(iter(outcome.incidents_of(tx, pipeline.dag_id)[::-1]), None)

    def _is_resolved(self, pipeline: Pipeline) -> bool:
        incident = self._incident(pipeline)
        return incident is not None and not incident.status.is_open

    def _is_paged_at_the_top(self, pipeline: Pipeline) -> bool:
        incident = self._incident(pipeline)
        if incident is None:
            return False
        with self._store.read() as tx:
            events = tx.timeline(incident.number)
        delivered = [event.text for event in events if event.kind is EventKind.DELIVERED]
        return any("Level 4" in text for text in delivered)

    def _is_ticking(self) -> bool:
        with self._store.read() as tx:
            return bool(tx.heartbeats(datetime.now(timezone.utc) - timedelta(minutes=5)))
