"""Is a run repaired? By what had failed in it, not by what Airflow calls the run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .run_states import ENDED_RUN, REMOVED, SUCCESS, Graph, Key, Standing, TaskState


@dataclass(frozen=True)
class Had:
    """A task instance that had failed, or was cut off, when the run was looked at."""

    name: str
    key: Key
    try_number: int
    failed: bool  # by itself; else it was cut off


@dataclass(frozen=True)
class Repair:
    """What is known of the repair."""

    had: Sequence[Had] = ()
    removed: Sequence[str] = ()  # had failed, and was not in the DAG any more even then
    uncounted: int = 0  # had failed, too, and are not among `had`
    failed_at: datetime | None = None  # the latest failure at that time
    acted_at: datetime | None = None
    marked: Collection[Key] = ()  # set to their ends on purpose, by a step of this repair
    cleared: Collection[Key] = ()  # Airflow has decided anew about these since


@dataclass(frozen=True)
class Proof:
    """`wrong` is final, each with its reason; without any, the run is well or still at work."""

    wrong: tuple[str, ...] = ()
    ended: bool = False

    @property
    def proven(self) -> bool | None:
        """None: not known yet."""
        if self.wrong:
            return False
        return True if self.ended else None


def prove(run_state: str, states: Sequence[TaskState], now: Standing, repair: Repair, graph: Graph) -> Proof:
    """Before the run has ended only a failure after the repair is final."""
    ended = run_state in ENDED_RUN
    by_key = {one.key: one for one in states}
    before = {had.key: had for had in repair.had}
    wrong = [f"{name} is not in the DAG any more, which proves nothing" for name in repair.removed]
    wrong += [
        f"{had.name} was removed from the DAG or renamed, which proves nothing"
        for had in repair.had
        if had.failed and _is_gone(by_key.get(had.key), had.key[0], graph)
    ]
    gone = {had.key for had in repair.had if had.failed and _is_gone(by_key.get(had.key), had.key[0], graph)}
    failed = [one for one in now.failed if one.key not in gone]
    if ended:
        wrong += [f"{one.name} {_how(one, before)}" for one in failed]
        # In a run that ended well, without a failure, Airflow has chosen every skip since the clear.
        anew = repair.cleared if run_state == SUCCESS and not now.failed else ()
        cut = [one for one in now.cut_off if not (one.state == "skipped" and one.key in anew)]
        wrong += [f"{one.name} is still {_words(one)}" for one in cut if one.key not in gone]
        wrong += list(_not_repeated(by_key, repair, gone))
        if run_state != SUCCESS and not wrong:
            wrong.append(f"the run is {run_state}, though none of its tasks is")
    else:
        again = [one for one in failed if one.key in before and one.try_number > before[one.key].try_number]
        wrong += [f"{one.name} {_how(one, before)}" for one in again]
    return Proof(tuple(dict.fromkeys(wrong)), ended)


def _is_gone(one: TaskState | None, task_id: str, graph: Graph) -> bool:
    return one is None or one.state == REMOVED or (one.state != SUCCESS and graph.lacks(task_id))


def _how(one: TaskState, before: Mapping[Key, Had]) -> str:
    had = before.get(one.key)
    if had is None or not had.failed:
        return f"has failed in try {one.try_number}"
    if one.try_number > had.try_number:
        return f"has failed again, in try {one.try_number}"
    return f"is still failed, in try {one.try_number}: it did not run again"


def _words(one: TaskState) -> str:
    if one.state in ("skipped", "upstream_failed"):
        return f"{one.state}: the failure cut it off"
    return "waiting, though its run has ended"


def _not_repeated(by_key: Mapping[Key, TaskState], repair: Repair, gone: Collection[Key]) -> list[str]:
    """What had failed and is called well without having run."""
    found = []
    for had in repair.had:
        one = by_key.get(had.key)
        if not had.failed or one is None or one.key in gone or one.key in repair.marked:
            continue
        if one.state == SUCCESS and not _ran_since(one, had, repair):
            found.append(f"{had.name} was marked success, but did not run again")
        elif one.state == "skipped":
            found.append(f"{had.name} was skipped this time, so its work is not done")
    if repair.uncounted and repair.failed_at is not None:
        since = [o for o in by_key.values() if o.started_at and o.started_at > repair.failed_at]
        if len(since) < len(repair.had) + repair.uncounted:
            found.append(f"only {len(since)} task instances ran since, though more had failed")
    return found


def _ran_since(one: TaskState, had: Had, repair: Repair) -> bool:
    if one.try_number > had.try_number:
        return True
    return bool(repair.acted_at and one.started_at and one.started_at > repair.acted_at)
