"""What a scan remembers until the next one: how far it came, what it reported and has to look at again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incident_response.domain.pipeline_signals import Attempt
from incident_response.domain.times import utc

_MOST_RUNS = 300  # what falls out is only not looked at again; intake still knows it
_MOST_ATTEMPTS = 2000
_VERSION = 1

Key = tuple[str, str]


@dataclass
class FailedRun:
    """A run in which something failed. `judged` is the end of the run that was looked at last."""

    tasks: dict[tuple[str, int], int] = field(
        default_factory=dict
    )  # (task, map index) → try that was reported
    judged: datetime | None = None


@dataclass
class Memory:
    """The cursor of the scan. Reads any JSON, forgets what it does not understand."""

    since: datetime
    failed: dict[Key, FailedRun] = field(default_factory=dict)  # oldest first
    stuck: dict[Key, datetime] = field(default_factory=dict)  # (dag, run) → start of the run
    broken: dict[Key, datetime] = field(default_factory=dict)  # (bundle, file) → first seen

    def knows(self, attempt: Attempt) -> bool:
        """True when this very try was reported."""
        run = self.failed.get((attempt.dag_id, attempt.run_id))
        return run is not None and run.tasks.get((attempt.task_id, attempt.map_index)) == attempt.try_number

    def add(self, attempt: Attempt) -> None:
        """This try was reported."""
        run = self.failed.setdefault((attempt.dag_id, attempt.run_id), FailedRun())
        run.tasks[attempt.task_id, attempt.map_index] = attempt.try_number

    def copy(self) -> Memory:
        """For a part of the scan that may not come to its end."""
        return deepcopy(self)

    @classmethod
    def of(cls, cursor: Mapping[str, Any], first: datetime) -> Memory:
        """From a cursor; one that is empty or of another version starts at `first`."""
        if cursor.get("version") != _VERSION:
            return cls(first)
        memory = cls(_time(cursor["since"]))
        for dag_id, run_id, judged, tasks in cursor["failed"]:
            attempts = {(task, index): number for task, tries in tasks.items() for index, number in tries}
            memory.failed[dag_id, run_id] = FailedRun(attempts, _maybe(judged))
        memory.stuck = {(dag_id, run_id): _time(at) for dag_id, run_id, at in cursor["stuck"]}
        memory.broken = {(bundle, name): _time(at) for bundle, name, at in cursor["broken"]}
        return memory

    def cursor(self) -> dict[str, Any]:
        """As JSON, bounded: of the failed runs the latest are kept."""
        return {
            "version": _VERSION,
            "since": self.since.isoformat(),
            "failed": list(self._latest())[::-1],
            "stuck": [[*key, at.isoformat()] for key, at in list(self.stuck.items())[-_MOST_RUNS:]],
            "broken": [[*key, at.isoformat()] for key, at in list(self.broken.items())[-_MOST_RUNS:]],
        }

    def _latest(self) -> Iterator[list[Any]]:
        room = _MOST_ATTEMPTS
        for (dag_id, run_id), run in list(self.failed.items())[: -_MOST_RUNS - 1 : -1]:
            tasks: dict[str, list[list[int]]] = {}
            for (task, index), number in list(run.tasks.items())[:room]:
                tasks.setdefault(task, []).append([index, number])
            room -= len(run.tasks)
            yield [dag_id, run_id, _text(run.judged), tasks]
            if room <= 0:
                return


def _time(text: str) -> datetime:
    return utc(datetime.fromisoformat(text))


def _maybe(text: str | None) -> datetime | None:
    return _time(text) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
