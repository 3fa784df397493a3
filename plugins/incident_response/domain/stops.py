"""Stops: what a person has marked, paused or cancelled in Airflow, by the rows of its audit log.

A stop is a decision: automation never undoes it. It holds until a person lets the thing run again. What
Airflow itself does (timeouts, lost heartbeats, its own pause after too many failures) is no person, and
neither is what a runbook did: its requests carry our name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from .redaction import one_line
from .times import utc

STOPPED = "stopped by a person"  # the named reason of a refusal
OUR_NAME = "incident response, INC-"  # what a runbook's request to change a state says of itself
DETAIL = "stopped"  # of a signal: the stop that made it, as JSON

_MARKS = ("failed", "success", "skipped")
# The audit log is written before the change, and a change of many task instances takes its time. What ended
# later than this after a mark has run again since.
_TAKES = timedelta(seconds=60)
_EARLY = timedelta(seconds=5)
_RUN_CLEARS = ("clear_dag_run", "post_clear_task_instances")
# by what they name: one run, one DAG, none (or many at once)
OF_RUN = (
    "patch_dag_run", "patch_task_instance", "patch_task_group_instances", *_RUN_CLEARS,
)  # fmt: skip
OF_DAG = ("patch_dag", "cli_dag_pause", "cli_dag_unpause", "paused", "patch_task_instance")
OF_MANY = (
    "patch_dags", "bulk_dag_runs", "clear_dag_runs", "pause_backfill", "unpause_backfill", "cancel_backfill",
)  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """What a person has stopped."""

    what: str  # for people: `the run etl/r1`, `the DAG etl`
    how: str  # `marked failed`, `paused`, `cancelled`
    by: str  # the login, as Airflow's audit log has it
    at: datetime
    note: str = ""  # what they wrote with it

    @property
    def text(self) -> str:
        """One line for people."""
        said = f", saying: {self.note}" if self.note else ""
        return one_line(f"{self.by} {self.how} {self.what} at {self.at:%Y-%m-%d %H:%M:%S} UTC{said}")

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True)
class Entry:
    """A row of the audit log."""

    event: str
    at: datetime
    owner: str
    dag_id: str  # "" when it names none
    run_id: str
    task_id: str
    extra: Mapping[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Entry:
        """From the REST API. What is no JSON (Airflow's own rows) tells nothing more."""
        try:
            extra = json.loads(row.get("extra") or "{}")
        except ValueError:
            extra = {}
        return cls(
            str(row["event"]),
            utc(datetime.fromisoformat(str(row["when"]).replace("Z", "+00:00"))),
            str(row.get("owner") or "somebody"),
            str(row.get("dag_id") or ""),
            str(row.get("run_id") or ""),
            str(row.get("task_id") or ""),
            extra if isinstance(extra, dict) else {},
        )

    @property
    def ours(self) -> bool:
        """True for what a runbook asked for: people may use its user, too, so it says its name."""
        return OUR_NAME in f"{self.extra.get('note') or ''} {self.extra.get('asked_by') or ''}"

    @property
    def note(self) -> str:
        """What the person wrote."""
        return one_line(str(self.extra.get("note") or ""), 120)


@dataclass(frozen=True)
class Mark:
    """A run, or a task instance of it, as it is now."""

    dag_id: str
    run_id: str
    task_id: str = ""  # "": the run
    map_index: int = -1
    state: str | None = None  # None: whatever
    ended_at: datetime | None = None

    @property
    def name(self) -> str:
        """For people."""
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        run = f"{self.dag_id}/{self.run_id}"
        return f"the task {self.task_id}{index} of {run}" if self.task_id else f"the run {run}"


class Audit:
    """What the audit log tells; `rows` in any order."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        every = {str(row.get("event_log_id", id(row))): row for row in rows}
        self._entries = sorted(map(Entry.of, every.values()), key=lambda entry: entry.at, reverse=True)

    def of_run(self, run: Mark) -> Stop | None:
        """The person's mark under which a run stands. None: there is none, or it has run again since."""
        for entry in self._entries:
            if self._lets_run(entry, run):
                return None
            for mark, note in _run_marks(entry, run):
                if mark not in _MARKS or entry.ours:
                    return None  # queued anew, or marked by a runbook: that is the latest word
                if _stands(entry, run, mark):
                    return Stop(run.name, f"marked {mark}", entry.owner, entry.at, note or entry.note)
        return None

    def of_task(self, task: Mark) -> Stop | None:
        """The same of a task instance, by itself or with its run."""
        for entry in self._entries:
            if self._lets_run(entry, task):
                return None
            if (mark := _task_mark(entry, task)) and _stands(entry, task, mark):
                if entry.ours:
                    return None
                return Stop(task.name, f"marked {mark}", entry.owner, entry.at, entry.note)
        return None

    def pause(self, dag_id: str) -> Stop | None:
        """Who paused a DAG that is paused. None: nobody knows, Airflow itself did, or a runbook."""
        for entry in self._entries:
            paused = _pauses(entry, dag_id)
            if paused is None:
                continue
            if not paused or entry.ours or entry.event == "paused":
                return None
            return Stop(f"the DAG {dag_id}", "paused", entry.owner, entry.at)
        return None

    def backfill(self, dag_id: str, backfill: Mapping[str, Any]) -> Stop:
        """Who paused or cancelled a backfill that is one of both."""
        number, what = str(backfill["id"]), f"the backfill {backfill['id']} of {dag_id}"
        for entry in self._entries:
            words = {"pause_backfill": "paused", "cancel_backfill": "cancelled"}.get(entry.event)
            if words and str(entry.extra.get("backfill_id")) == number:
                return Stop(what, words, entry.owner, entry.at)
        at = datetime.fromisoformat(str(backfill["updated_at"]).replace("Z", "+00:00"))
        how = "cancelled" if backfill.get("completed_at") else "paused"
        return Stop(what, how, "somebody", utc(at))

    @staticmethod
    def _lets_run(entry: Entry, thing: Mark) -> bool:
        """Somebody has cleared it."""
        if entry.event == "clear_dag_runs":
            every = entry.extra.get("dag_runs") or ()
            return any(_names_run(one, entry, thing) for one in every if isinstance(one, Mapping))
        if entry.event not in _RUN_CLEARS or (entry.dag_id, entry.run_id) != (thing.dag_id, thing.run_id):
            return False
        # Whatever task of it is cleared, the run goes on; a task only when it is one of those.
        return not thing.task_id or entry.event == "clear_dag_run" or _names_task(entry, thing)


def covering(
    backfills: Sequence[Mapping[str, Any]], logical_date: datetime | None
) -> Mapping[str, Any] | None:
    """The latest of a DAG's backfills whose days hold a run's."""
    if logical_date is None:
        return None
    found = [one for one in backfills if _date(one["from_date"]) <= logical_date <= _date(one["to_date"])]
    return max(found, key=lambda one: int(one["id"]), default=None)


def is_stop(reason: str) -> bool:
    """True for the reason of what was refused, or not proven, because a person has stopped it."""
    return reason.startswith(STOPPED)


def _stands(entry: Entry, thing: Mark, mark: str) -> bool:
    """False when it has another state by now, or has ended again since."""
    if thing.state is not None and thing.state != mark:
        return False
    return thing.ended_at is None or thing.ended_at <= entry.at + _TAKES


def _run_marks(entry: Entry, run: Mark) -> Iterable[tuple[str, str]]:
    """What a row says of a run's state."""
    if entry.event == "patch_dag_run" and (entry.dag_id, entry.run_id) == (run.dag_id, run.run_id):
        if entry.extra.get("state"):
            yield str(entry.extra["state"]), ""
    elif entry.event == "bulk_dag_runs":
        for one in _entities(entry):
            if one.get("state") and _names_run(one, entry, run):
                yield str(one["state"]), one_line(str(one.get("note") or ""), 120)


def _names_run(one: Mapping[str, Any], entry: Entry, run: Mark) -> bool:
    named = one.get("dag_id") or entry.dag_id
    return (named, one.get("dag_run_id")) == (run.dag_id, run.run_id)


def _entities(entry: Entry) -> Iterable[Mapping[str, Any]]:
    for action in entry.extra.get("actions") or ():
        if isinstance(action, Mapping):
            yield from (one for one in action.get("entities") or () if isinstance(one, Mapping))


def _task_mark(entry: Entry, task: Mark) -> str | None:
    """The state that a row gives to a task instance."""
    mark = str(entry.extra.get("new_state") or "")
    if mark not in _MARKS or entry.dag_id != task.dag_id:
        return None
    wide = any(entry.extra.get(f"include_{way}") for way in ("upstream", "downstream"))
    other_runs = any(entry.extra.get(f"include_{way}") for way in ("past", "future"))
    at_once = task.ended_at is not None and entry.at - _EARLY <= task.ended_at <= entry.at + _TAKES
    if entry.run_id != task.run_id and not (other_runs and at_once):
        return None
    if entry.event == "patch_task_group_instances":
        return mark if task.task_id.startswith(f"{entry.extra.get('group_id')}.") else None
    if entry.event != "patch_task_instance":
        return None
    if entry.task_id != task.task_id:
        return mark if wide and at_once else None
    index = entry.extra.get("map_index")
    return mark if index is None or str(index) in (str(task.map_index), "-1") else None


def _names_task(entry: Entry, task: Mark) -> bool:
    named = entry.extra.get("task_ids")
    if not named:
        return True
    keys = [(str(one), None) if isinstance(one, str) else (str(one[0]), one[1]) for one in named]
    return any(name == task.task_id and index in (None, task.map_index) for name, index in keys)


def _pauses(entry: Entry, dag_id: str) -> bool | None:
    """What a row says of a DAG's pause; None: nothing."""
    if entry.event == "patch_dags":
        pattern = str(entry.extra.get("dag_id_pattern") or "~")
        if pattern not in ("~", "%") and not _like(pattern, dag_id):
            return None
    elif entry.dag_id != dag_id:
        return None
    if entry.event in ("patch_dag", "patch_dags"):
        said = str(entry.extra.get("is_paused")).lower()
        return {"true": True, "false": False}.get(said)
    return {"cli_dag_pause": True, "cli_dag_unpause": False, "paused": True}.get(entry.event)


def _like(pattern: str, text: str) -> bool:
    """SQL's ILIKE of a part of `text`."""
    words = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.search(words, text, re.IGNORECASE) is not None


def _date(text: str) -> datetime:
    return utc(datetime.fromisoformat(text.replace("Z", "+00:00")))
