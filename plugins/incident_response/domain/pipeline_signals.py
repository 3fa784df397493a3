"""Signals of pipelines, built in one place, so that callback, listener and scan agree on what they saw.

Labels name the thing and nothing else; the same failure has the same labels and the same `occurrence`,
whoever
reports it, and intake recognises it by these two. What only some sources know goes into `details`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from .redaction import one_line
from .severities import Severity
from .signals import Signal
from .stops import DETAIL, Stop
from .times import utc

_MOST_CAUSES = 3
TASK_FAILED = "AirflowTaskFailed"
RUN_FAILED = "AirflowDAGRunFailed"
RUN_STUCK = "AirflowRunStuck"
IMPORT_ERROR = "AirflowImportError"
# our own DAGs: they page by themselves, and must not open incidents about incidents
_ALERTS = frozenset({TASK_FAILED, RUN_FAILED, RUN_STUCK, IMPORT_ERROR})
OWN_TAG = "incident-response"


@dataclass(frozen=True)
class Attempt:
    """One try of one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1  # -1: not mapped
    try_number: int = 1

    @property
    def occurrence(self) -> str:
        """`dag/run/task/map/try`."""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}/{self.try_number}"

    @property
    def labels(self) -> dict[str, str]:
        """What identifies the task instance; the try is no part of it."""
        where = {"task_id": self.task_id, "map_index": str(self.map_index)}
        return {**_run_labels(TASK_FAILED, self.dag_id, self.run_id), **where}

    @property
    def log_path(self) -> str:
        """Path of its log in Airflow's UI, after the base URL."""
        mapped = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        return (
            f"{_run_path(self.dag_id, self.run_id)}/tasks/{self.task_id}{mapped}?try_number={self.try_number}"
        )


@dataclass(frozen=True)
class DagFacts:
    """What a signal tells of the DAG beside its id."""

    tags: tuple[str, ...] = ()
    owner: str = ""

    @classmethod
    def of(cls, tags: Iterable[object] | None, owner: object = "") -> DagFacts:
        """From what Airflow gives, in any order."""
        return cls(tuple(sorted(str(tag) for tag in tags or ())), str(owner or ""))

    @property
    def severity(self) -> str | None:
        """The worst of the tags P1 … P4, None when there is none."""
        return min((tag for tag in self.tags if tag in Severity.__members__), default=None)

    def ignored(self, opt_out_tag: str) -> str | None:
        """Why signals of this DAG are dropped: the tag that says so. None: they are not."""
        return next((tag for tag in (opt_out_tag, OWN_TAG) if tag and tag in self.tags), None)


def is_happening(signal: Signal) -> bool:
    """True for what happened in Airflow at one moment, whoever tells it, and whenever.

    It bears the time of Airflow, in whose processes all of this runs: the only time of a sender that may be
    compared with ours. A callback that waited in the spool is recognised by it.
    """
    return bool(signal.occurrence) and signal.alertname in _ALERTS


def task_failed(
    source: str,
    attempt: Attempt,
    at: datetime,
    dag: DagFacts,
    *,
    exception: BaseException | str | None = None,
    max_tries: int | None = None,
    logical_date: datetime | None = None,
    waits_for: Mapping[str, str] | None = None,
    stop: Stop | None = None,
) -> Signal:
    """A task instance failed for good. `exception` may be all that the source knows, or nothing; `stop` when
    it was a person who ended it.

    `waits_for` (domain.waiting): the run of another DAG that it waited for in vain.
    """
    where = f"{attempt.task_id}[{attempt.map_index}]" if attempt.map_index >= 0 else attempt.task_id
    kind, message = _said(exception)
    why = f": {kind}{': ' if kind and message else ''}{message}" if kind or message else ""
    failed = f"Task {where} of {attempt.dag_id} failed in try {attempt.try_number}{why}"
    return Signal(
        source=source,
        labels=attempt.labels,
        summary=one_line(stop.text if stop else failed),
        occurred_at=at,
        occurrence=attempt.occurrence,
        details=_details(
            dag,
            try_number=attempt.try_number,
            max_tries=max_tries,
            exception=kind,
            message=message,
            caused_by=_behind(exception),
            logical_date=_iso(logical_date),
            log_path=attempt.log_path,
            waits_for=waits_for,
            **_stopped(stop),
        ),
    )


def run_failed(
    source: str,
    dag_id: str,
    run_id: str,
    at: datetime,
    dag: DagFacts,
    *,
    reason: str = "",
    logical_date: datetime | None = None,
    stop: Stop | None = None,
) -> Signal:
    """A run failed.

    `at` is the run's own end: with it a second failure of the same run is told from the first. `stop` when
    it was a person who ended it.
    """
    reason = one_line(reason, 200)
    return Signal(
        source=source,
        labels=_run_labels(RUN_FAILED, dag_id, run_id),
        summary=one_line(
            stop.text if stop else f"Run {run_id} of {dag_id} failed{': ' if reason else ''}{reason}"
        ),
        occurred_at=at,
        occurrence=f"{dag_id}/{run_id}/failed@{_second(at)}",
        details=_details(
            dag,
            reason=reason,
            logical_date=_iso(logical_date),
            log_path=_run_path(dag_id, run_id),
            **_stopped(stop),
        ),
    )


def run_stuck(
    source: str,
    dag_id: str,
    run_id: str,
    started_at: datetime,
    now: datetime,
    dag: DagFacts,
    *,
    limit: timedelta,
    because: str,
    tasks: Sequence[str] = (),
) -> Signal:
    """A run is running for longer than `limit`; `because` says where the limit comes from."""
    age = _length(now - started_at)
    held_by = f"; unfinished: {', '.join(tasks[:5])}{' …' if len(tasks) > 5 else ''}" if tasks else ""
    return Signal(
        source=source,
        labels=_run_labels(RUN_STUCK, dag_id, run_id),
        summary=one_line(f"Run {run_id} of {dag_id} has been running for {age}, {because}{held_by}"),
        # The trouble began when the limit passed; that an hour went by before somebody looked is our
        # lateness.
        occurred_at=min(utc(started_at) + limit, utc(now)),
        occurrence=stuck_occurrence(dag_id, run_id, started_at),
        details=_details(
            dag,
            started_at=_iso(started_at),
            limit_seconds=limit.total_seconds(),
            tasks=list(tasks[:20]),
            log_path=_run_path(dag_id, run_id),
        ),
    )


def import_error(
    source: str,
    filename: str,
    bundle: str,
    at: datetime,
    dag: DagFacts,
    *,
    trace: str = "",
    dag_ids: Sequence[str] = (),
) -> Signal:
    """A DAG file cannot be imported; `at` is when it was first seen broken, `dag_ids` what it held before."""
    message = one_line(_last_line(trace))
    return Signal(
        source=source,
        labels=_import_labels(filename, bundle),
        summary=one_line(f"{filename} cannot be imported{': ' if message else ''}{message}"),
        occurred_at=at,
        occurrence=import_occurrence(filename, bundle, at),
        details=_details(dag, message=message, dag_ids=list(dag_ids[:20])),
    )


def task_recovered(source: str, attempt: Attempt, at: datetime, proof: str) -> Signal:
    """The run of a failed task instance is green: the resolved counterpart of task_failed."""
    return _resolved(source, attempt.labels, at, attempt.occurrence, proof)


def run_recovered(
    source: str, dag_id: str, run_id: str, at: datetime, failed_at: datetime, proof: str
) -> Signal:
    """A failed run is green: the resolved counterpart of run_failed."""
    occurrence = f"{dag_id}/{run_id}/failed@{_second(failed_at)}"
    return _resolved(source, _run_labels(RUN_FAILED, dag_id, run_id), at, occurrence, proof)


def run_unstuck(
    source: str, dag_id: str, run_id: str, at: datetime, started_at: datetime, proof: str
) -> Signal:
    """A stuck run runs no more: the resolved counterpart of run_stuck."""
    occurrence = stuck_occurrence(dag_id, run_id, started_at)
    return _resolved(source, _run_labels(RUN_STUCK, dag_id, run_id), at, occurrence, proof)


def import_mended(source: str, filename: str, bundle: str, at: datetime, broken_at: datetime) -> Signal:
    """A DAG file can be imported again, or is gone: the resolved counterpart of import_error."""
    occurrence = import_occurrence(filename, bundle, broken_at)
    proof = f"Airflow reports no import error for {filename} any more"
    return _resolved(source, _import_labels(filename, bundle), at, occurrence, proof)


def stuck_occurrence(dag_id: str, run_id: str, started_at: datetime) -> str:
    """A run that is cleared starts anew, and may be stuck anew."""
    return f"{dag_id}/{run_id}/stuck@{_second(started_at)}"


def import_occurrence(filename: str, bundle: str, broken_at: datetime) -> str:
    """The same file may break again after it was mended."""
    return f"{bundle}/{filename}@{_second(broken_at)}"


def _resolved(source: str, labels: Mapping[str, str], at: datetime, occurrence: str, proof: str) -> Signal:
    """The same occurrence as the failure, so that the store still recognises the failure when it comes
    again.
    """
    proof = one_line(proof)
    return Signal(source, labels, proof, at, firing=False, occurrence=occurrence, details={"proof": proof})


def _run_labels(name: str, dag_id: str, run_id: str) -> dict[str, str]:
    return {"alertname": name, "component": "airflow", "dag_id": dag_id, "run_id": run_id}


def _import_labels(filename: str, bundle: str) -> dict[str, str]:
    return {"alertname": IMPORT_ERROR, "component": "airflow", "filename": filename, "bundle": bundle}


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _details(dag: DagFacts, **known: Any) -> dict[str, Any]:
    """Only what is known: an empty field would look like a fact."""
    told = {"tagged_severity": dag.severity, "tags": list(dag.tags), "owner": dag.owner, **known}
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _stopped(stop: Stop | None) -> dict[str, Any]:
    return {DETAIL: stop.data()} if stop else {}


def _said(exception: BaseException | str | None) -> tuple[str, str]:
    """Class and one redacted line of an exception."""
    if exception is None:
        return "", ""
    if isinstance(exception, str):
        return "", one_line(exception)
    try:
        return type(exception).__name__, one_line(str(exception))
    except Exception:  # noqa: BLE001 — a pipeline's own exception may fail to print; its class still tells something
        return type(exception).__name__, ""


def _behind(exception: BaseException | str | None) -> str:
    """What it was raised from, one redacted line each: `Load failed` from a refused connection."""
    said: list[str] = []
    seen = {id(exception)}
    while isinstance(exception, BaseException) and len(said) < _MOST_CAUSES:
        exception = exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)
        if exception is None or id(exception) in seen:
            break
        seen.add(id(exception))
        said.append(": ".join(part for part in _said(exception) if part))
    return " < ".join(said)


def _last_line(trace: str) -> str:
    """A traceback says what went wrong in its last line."""
    return next((line for line in reversed(trace[-20_000:].splitlines()) if line.strip()), "")


def _iso(moment: datetime | None) -> str | None:
    return utc(moment).isoformat() if moment else None


def _second(moment: datetime) -> str:
    """To the second: some sources lose the fraction on the way."""
    return utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def _length(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min" if minutes > 1 else f"{seconds} s"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
