"""What a scan asks of Airflow's REST API, and the few fields it needs of the answers.

Airflow 3.1 ignores parameters it does not know, so rows are checked against what was asked. Task instances of
all DAGs are listed by GET: the POST variant writes a row into Airflow's audit log at each call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from incident_response.clients.airflow_states import find_run, judge, read_states
from incident_response.domain.errors import AirflowRefused
from incident_response.domain.pipeline_signals import Attempt, DagFacts
from incident_response.domain.ports import AirflowRest
from incident_response.domain.times import utc

_PAGE = 100  # Airflow's own maximum, unless the site raised it
_ALL_TASKS = "/dags/~/dagRuns/~/taskInstances"
_ALL_RUNS = "/dags/~/dagRuns"
_HISTORY = 10  # successful runs that make the usual duration

Row = TypeVar("Row")


@dataclass(frozen=True)
class FailedTask:
    """A task instance in state failed."""

    attempt: Attempt
    ended_at: datetime | None
    max_tries: int | None
    logical_date: datetime | None


@dataclass(frozen=True)
class Run:
    """A DAG run."""

    dag_id: str
    run_id: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    logical_date: datetime | None
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # as the API tells it

    @property
    def key(self) -> tuple[str, str]:
        """Unique in Airflow."""
        return self.dag_id, self.run_id


@dataclass(frozen=True)
class Health:
    """What a run that is over holds, whatever Airflow calls it; task instances by task and map index."""

    failed: frozenset[tuple[str, int]] = frozenset()
    cut: bool = False  # what a failure cut off has not run
    here: frozenset[tuple[str, int]] = frozenset()  # all but those that were removed from the DAG

    @property
    def is_well(self) -> bool:
        """True when nothing has to run again."""
        return not self.failed and not self.cut

    def is_repaired(self, task: tuple[str, int]) -> bool:
        """True for one that is green now; one that was removed or renamed proves nothing."""
        return not self.cut and task not in self.failed and task in self.here


@dataclass(frozen=True)
class BrokenFile:
    """A DAG file that cannot be imported."""

    filename: str
    bundle: str
    seen_at: datetime
    trace: str

    @property
    def key(self) -> tuple[str, str]:
        """Unique in Airflow."""
        return self.bundle, self.filename


@dataclass(frozen=True)
class Listed(Generic[Row]):
    """Rows, and whether there are no more of them."""

    rows: Sequence[Row]
    complete: bool


class Listing:
    """Asks for one scan: DAG facts are remembered, and listing ends early when `seconds` are spent."""

    def __init__(self, api: AirflowRest, seconds: float) -> None:
        self._api = api
        self._ends_at = time.monotonic() + seconds
        self._facts: dict[str, DagFacts] = {}

    @property
    def spent(self) -> bool:
        """True when this scan has taken long enough; what is left is for the next one."""
        return time.monotonic() > self._ends_at

    def failed_tasks(self, since: datetime, most: int) -> Listed[FailedTask]:
        """Task instances that failed for good since then, in order of their end."""
        asked = {"state": ["failed"], "end_date_gte": _iso(since), "order_by": "end_date"}
        listed = self._pages(
            lambda page: self._api.get(_ALL_TASKS, {**asked, **page}), "task_instances", most
        )
        rows = [_failed_task(row) for row in listed.rows if row.get("state") == "failed"]
        return Listed([row for row in rows if row.ended_at and row.ended_at >= since], listed.complete)

    def failed_tasks_of(self, run: tuple[str, str]) -> Sequence[FailedTask]:
        """Task instances of one run that are failed now (the first thousand)."""
        return [_failed_task(row) for row in self._tasks_of(run, ["failed"])]

    def unfinished_tasks_of(self, run: tuple[str, str]) -> Sequence[str]:
        """Names of the tasks that hold a run up."""
        states = ["running", "deferred", "queued", "up_for_retry", "up_for_reschedule", "restarting"]
        return [f"{row['task_id']} ({row['state']})" for row in self._tasks_of(run, states)]

    def failed_runs(self, since: datetime, most: int) -> Listed[Run]:
        """Runs that failed since then, in order of their end."""
        return self._runs({"states": ["failed"], "end_date_gte": _iso(since), "order_by": "end_date"}, most)

    def green_runs(self, dag_ids: Collection[str], since: datetime, most: int) -> Listed[Run]:
        """Runs of these DAGs that ended well since then."""
        asked = {"states": ["success"], "end_date_gte": _iso(since), "order_by": "end_date"}
        return self._runs({**asked, "dag_ids": sorted(dag_ids)}, most)

    def running_runs(self, started_before: datetime, most: int) -> Listed[Run]:
        """Runs that have been running since before then, the oldest first."""
        asked = {"states": ["running"], "start_date_lte": _iso(started_before), "order_by": "start_date"}
        return self._runs(asked, most)

    def run(self, key: tuple[str, str]) -> Run | None:
        """One run as it is now; None when it was deleted."""
        answer = find_run(self._api, *key)
        return _run(answer) if answer else None

    def health(self, run: Run) -> Health:
        """How a run stands, by the one rule for all (domain.run_states)."""
        states = read_states(self._api, run.row, by_list=True)
        found = judge(self._api, run.row, states)
        here = frozenset(one.key for one in states) - {one.key for one in found.removed}
        return Health(frozenset(one.key for one in found.failed), bool(found.cut_off), here)

    def usual_durations(self, dag_id: str) -> Sequence[timedelta]:
        """How long the last successful runs of a DAG took."""
        asked = {"states": ["success"], "dag_ids": [dag_id], "order_by": "-end_date", "page_limit": _HISTORY}
        rows = [_run(row) for row in self._api.post(f"{_ALL_RUNS}/list", asked)["dag_runs"]]
        return [run.ended_at - run.started_at for run in rows if run.started_at and run.ended_at]

    def facts(self, dag_id: str) -> DagFacts:
        """Tags and owners; empty when the DAG is gone."""
        if dag_id not in self._facts:
            answer = self._found(f"/dags/{quote(dag_id, safe='')}")
            self._facts[dag_id] = _facts(answer) if answer else DagFacts()
        return self._facts[dag_id]

    def broken_files(self, most: int) -> Listed[BrokenFile]:
        """Files that cannot be imported."""
        listed = self._pages(
            lambda page: self._api.get("/importErrors", {**page, "order_by": "import_error_id"}),
            "import_errors",
            most,
        )
        return Listed([_broken_file(row) for row in listed.rows], listed.complete)

    def dags_of_broken_files(self) -> Mapping[tuple[str, str], Mapping[str, DagFacts]]:
        """By (bundle, file): the DAGs that were in it when it could still be imported."""
        asked = {"has_import_errors": True, "exclude_stale": False}
        listed = self._pages(lambda page: self._api.get("/dags", {**asked, **page}), "dags", 1000)
        found: dict[tuple[str, str], dict[str, DagFacts]] = {}
        for row in listed.rows:
            key = (row.get("bundle_name") or "", row.get("relative_fileloc") or "")
            found.setdefault(key, {})[row["dag_id"]] = _facts(row)
        return found

    def _tasks_of(self, run: tuple[str, str], states: list[str]) -> Iterator[Mapping[str, Any]]:
        # Not the path with DAG and run: that answers 404 while the DAG's file is broken.
        asked = {"dag_ids": [run[0]], "dag_run_ids": [run[1]], "state": states}
        listed = self._pages(
            lambda page: self._api.post(f"{_ALL_TASKS}/list", {**asked, **_of_body(page)}),
            "task_instances",
            1000,
        )
        return (row for row in listed.rows if row.get("state") in states)

    def _runs(self, asked: Mapping[str, Any], most: int) -> Listed[Run]:
        listed = self._pages(
            lambda page: self._api.post(f"{_ALL_RUNS}/list", {**asked, **_of_body(page)}), "dag_runs", most
        )
        return Listed([_run(row) for row in listed.rows], listed.complete)

    def _pages(
        self, ask: Callable[[dict[str, int]], Any], field: str, most: int
    ) -> Listed[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        while True:
            answer = ask({"limit": _PAGE, "offset": len(rows)})
            got = list(answer[field])
            rows += got
            # The total, not a short page, says where the end is: a site may have lowered the maximum page.
            if not got or len(rows) >= answer["total_entries"]:
                return Listed(rows, True)
            if len(rows) >= most or self.spent:
                return Listed(rows, False)

    def _found(self, path: str) -> Any:
        try:
            return self._api.get(path)
        except AirflowRefused as refused:
            if refused.status == 404:
                return None
            raise


def _of_body(page: Mapping[str, int]) -> dict[str, int]:
    """Requests with a body name the page differently, and refuse names they do not know."""
    return {"page_limit": page["limit"], "page_offset": page["offset"]}


def _failed_task(row: Mapping[str, Any]) -> FailedTask:
    attempt = Attempt(row["dag_id"], row["dag_run_id"], row["task_id"], row["map_index"], row["try_number"])
    return FailedTask(attempt, _time(row["end_date"]), row.get("max_tries"), _time(row.get("logical_date")))


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        row["dag_id"],
        row["dag_run_id"],
        row["state"],
        _time(row["start_date"]),
        _time(row["end_date"]),
        _time(row.get("logical_date")),
        row,
    )


def _broken_file(row: Mapping[str, Any]) -> BrokenFile:
    seen_at = _time(row["timestamp"])
    assert seen_at is not None  # Airflow's schema
    return BrokenFile(row["filename"], row.get("bundle_name") or "", seen_at, row.get("stack_trace") or "")


def _facts(row: Mapping[str, Any]) -> DagFacts:
    return DagFacts.of([tag["name"] for tag in row.get("tags") or ()], ", ".join(row.get("owners") or ()))


def _time(text: str | None) -> datetime | None:
    return utc(datetime.fromisoformat(text.replace("Z", "+00:00"))) if text else None


def _iso(moment: datetime) -> str:
    return utc(moment).isoformat()
