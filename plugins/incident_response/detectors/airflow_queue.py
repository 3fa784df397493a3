"""What waits in Airflow, by its REST API.

A task that is `scheduled` waits for the scheduler: for a free slot of its pool, or for another limit. One
that is `queued` has its slot and waits for a worker. Neither version can sort by waiting time; the oldest
runs come first instead, which is where the longest waits are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.logs import logger
from incident_response.domain.ports import AirflowRest
from incident_response.domain.times import utc

log = logger(__name__)

_PAGE, _MOST_ROWS = 100, 500  # 100: Airflow's own maximum, unless the site raised it
_MOST_ASKED = 20  # DAGs and pools that one look asks for by name
# GET, because the POST variant writes a row into Airflow's audit log at each call.
_ALL_TASKS = "/dags/~/dagRuns/~/taskInstances"


@dataclass(frozen=True)
class Waiting:
    """A task instance that waits."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    pool: str
    state: str  # queued or scheduled
    since: datetime

    @property
    def name(self) -> str:
        """`dag.task`, or `dag.task[3]` when it is mapped."""
        return f"{self.dag_id}.{self.task_id}{f'[{self.map_index}]' if self.map_index >= 0 else ''}"


@dataclass(frozen=True)
class Pool:
    """The slots of a pool."""

    name: str
    slots: int
    open: int
    running: int
    queued: int
    deferred: int

    @property
    def full(self) -> bool:
        """True when nothing more can start. A pool of -1 slots has no end."""
        return self.slots >= 0 and self.open <= 0


@dataclass(frozen=True)
class Line:
    """The tasks in one state: their number, and those that were read."""

    total: int
    rows: Sequence[Waiting]


class QueueListing:
    """Asks for one look; begins no request after `seconds`."""

    def __init__(self, api: AirflowRest, seconds: float) -> None:
        self._api = api
        self._ends_at = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        """True when this look has taken long enough."""
        return time.monotonic() > self._ends_at

    def waiting(self, state: str) -> Line:
        """The tasks in this state, at most 500 of them. Raises AirflowUnavailable, AirflowRefused."""
        asked = {"state": [state], "order_by": "run_after", "limit": _PAGE}
        rows: list[Mapping[str, Any]] = []
        while True:
            answer = self._api.get(_ALL_TASKS, {**asked, "offset": len(rows)})
            got, total = answer["task_instances"], int(answer["total_entries"])
            rows += got
            if not got or len(rows) >= min(total, _MOST_ROWS) or self.spent:
                break
        # Airflow 3.1 ignores parameters it does not know: rows are checked against what was asked.
        found = [_waiting(row) for row in rows if row.get("state") == state]
        return Line(total, [row for row in found if row is not None])

    def paused(self, dag_ids: Iterable[str]) -> frozenset[str]:
        """Those that are paused: their scheduled tasks wait for a person, and for nothing else."""
        found = set()
        for dag_id in sorted(set(dag_ids))[:_MOST_ASKED]:
            answer = self._one(f"/dags/{quote(dag_id, safe='')}")
            if answer is not None and answer.get("is_paused"):
                found.add(dag_id)
        return frozenset(found)

    def pools(self, names: Iterable[str]) -> dict[str, Pool | None]:
        """By name; None when it cannot be told.

        One by one: on 3.1 a pool without end (-1 slots) answers 500, and so does a list that holds one.
        """
        return {name: self._pool(name) for name in sorted(set(names))[:_MOST_ASKED]}

    def _pool(self, name: str) -> Pool | None:
        found = self._one(f"/pools/{quote(name, safe='')}")
        if found is None:
            return None
        slots = (found[f"{kind}_slots"] for kind in ("open", "running", "queued", "deferred"))
        return Pool(name, found["slots"], *slots)

    def _one(self, path: str) -> Any:
        if self.spent:
            return None
        try:
            return self._api.get(path)
        except (AirflowUnavailable, AirflowRefused) as error:
            log.info("%s; its tasks are judged without it", error)
            return None


def _waiting(row: Mapping[str, Any]) -> Waiting | None:
    """None when Airflow does not say since when. A scheduled task's `queued_when` is that of its last try."""
    since = row.get("queued_when") if row["state"] == "queued" else row.get("scheduled_when")
    if not since:
        return None
    return Waiting(
        row["dag_id"],
        row["dag_run_id"],
        row["task_id"],
        int(row.get("map_index", -1)),
        str(row.get("pool") or ""),
        row["state"],
        utc(datetime.fromisoformat(since.replace("Z", "+00:00"))),
    )
