"""Waiting: what failed because a run of another DAG did. The other one is the cause, whatever started it.

Who starts a run hangs on it only while it waits for it. So it is the failure that names what it waited for,
and not the graph of the DAGs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from .incidents import Incident

WAITS_FOR = "waits_for"  # the detail of a signal: {"dag_id": …, "run_id": … where it is known}


class Told(Protocol):
    """A signal, as it arrives or as an incident keeps it."""

    @property
    def labels(self) -> Mapping[str, str]:
        """What identifies it."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What else its source knows."""

    @property
    def firing(self) -> bool:
        """False for one that is over."""


def awaited(dag_id: object, run_id: object = None) -> dict[str, str] | None:
    """The detail of a signal; None when nothing is named."""
    if not dag_id:
        return None
    return {"dag_id": str(dag_id), **({"run_id": str(run_id)} if run_id else {})}


def name_of(one: Told) -> str:
    """The DAG that a failed task waited for; empty: it waited for none."""
    said = one.details.get(WAITS_FOR)
    return str(said.get("dag_id") or "") if isinstance(said, Mapping) else ""


def named_by(told: Iterable[Told]) -> frozenset[str]:
    """The DAGs that explain all of these failures; empty when one of them failed by itself.

    Of several sources that tell of one task, one may know more than the others. That a run failed says
    nothing of its own where a task of it speaks.
    """
    firing = [one for one in told if one.firing]
    named = [one for one in firing if name_of(one)]
    tasks, runs = {_task(one) for one in named}, {_run(one) for one in named}
    for one in firing:
        if (_task(one) not in tasks) if one.labels.get("task_id") else (_run(one) not in runs):
            return frozenset()
    return frozenset(map(name_of, named))


class Waits:
    """What waited for what, by all signals that fire now and say so."""

    def __init__(self, told: Sequence[Told] = ()) -> None:
        self._told = told
        self._named: dict[str, set[str]] = {}
        for one in told:
            self._named.setdefault(one.labels.get("dag_id", ""), set()).add(name_of(one))

    @property
    def dags(self) -> frozenset[str]:
        """Those that waited, and those that were waited for."""
        return frozenset(self._named).union(*self._named.values())

    def behind(self, told: Sequence[Told]) -> frozenset[str]:
        """The DAGs that explain all of these failures, directly or over others that waited in between."""
        runs = {_run(one) for one in told}
        return self._reach(named_by([*told, *(one for one in self._told if _run(one) in runs)]))

    def cause(self, behind: frozenset[str], open_: Iterable[Incident]) -> Incident | None:
        """Of the open incidents of these DAGs the one that waited for no other."""
        causes = [incident for incident in open_ if incident.service in behind and incident.status.is_open]
        names = {cause.service for cause in causes}
        last = [one for one in causes if not self._reach(self._named.get(one.service, ())) & names]
        return min(last, key=lambda incident: incident.number, default=None)

    def waited(self, service: str, for_: str) -> bool:
        """True when `service` hangs on the other, and so is no cause of its trouble."""
        return for_ in self._reach(self._named.get(service, ()))

    def _reach(self, names: Iterable[str]) -> frozenset[str]:
        reached, waiting = set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += self._named.get(name, ())
        return frozenset(reached)


def _task(one: Told) -> tuple[str, ...]:
    return *_run(one), one.labels.get("task_id", ""), one.labels.get("map_index", "")


def _run(one: Told) -> tuple[str, str]:
    return one.labels.get("dag_id", ""), one.labels.get("run_id", "")
