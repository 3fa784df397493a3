"""Parameters of the airflow actions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field, model_validator

from incident_response.domain.actions import Kind
from incident_response.lengths import Length

from .base import Parameters

_SEEN_BY = "Name of the earlier step with airflow.look_at_runs whose runs are meant."


class LookAtRuns(Parameters):
    """Looks at the DAG runs that the incident's signals name: why did they fail (procedures §5.2, 1 and 2)?

    Reads state, failed task instances with their tries, the last lines of their logs, and what has changed
    since the last good run of the same DAG. Causes: out_of_memory, upstream_throttled, upstream_unavailable,
    code, configuration, database, zombie, stuck, many_dags, dag_paused, dag_missing, run_missing, repaired.
    """

    action: ClassVar[str] = "airflow.look_at_runs"
    kind: ClassVar[Kind] = Kind.LOOKS

    runs: int = Field(5, ge=0, le=20, description="So many failed runs are looked at closely, with logs.")
    tasks: int = Field(3, ge=1, le=10, description="So many failed task instances of each, with logs.")
    log_lines: int = Field(60, ge=1, le=500, description="So many lines of each log are kept, the last ones.")
    stuck_after: Length = Field(
        timedelta(hours=2),
        gt=timedelta(),
        description="A run that has been running for longer is stuck; 2 h is the platform's SLA.",
    )
    many: int = Field(3, ge=2, le=100, description="Failures in so many DAGs at once are `many_dags`.")


class LastRun(Parameters):
    """Looks at the last run of another DAG that has ended: what did it say (procedures §5.5, step 1)?

    For DAGs that check something themselves: the logs of their tasks are kept, those of failed ones first.
    """

    action: ClassVar[str] = "airflow.last_run"
    kind: ClassVar[Kind] = Kind.LOOKS

    dag_id: str = Field(min_length=1, max_length=250, description="The DAG.")
    tasks: int = Field(5, ge=1, le=10, description="So many of its tasks are kept with their logs.")
    log_lines: int = Field(60, ge=1, le=500, description="So many lines of each log are kept, the last ones.")


class Resources(Parameters):
    """Looks at Airflow itself: components, queue, pools, running tasks (procedures §5.2, 3).

    Causes: airflow_unhealthy (a component without a heartbeat), pool_starved (tasks wait for a full pool).
    """

    action: ClassVar[str] = "airflow.resources"
    kind: ClassVar[Kind] = Kind.LOOKS

    heartbeat_late: Length = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=2),
        description="A component whose last heartbeat is older is down.",
    )
    waiting_longer: Length = Field(
        timedelta(minutes=5),
        ge=timedelta(),
        description="A full pool is starved when a task has waited for it for longer.",
    )


class ClearFailed(Parameters):
    """Clears exactly the failed task instances of the runs that were seen (procedures §5.2, 4).

    Airflow's dry run gives the list that is approved; what has succeeded is left alone.
    """

    action: ClassVar[str] = "airflow.clear_failed"
    kind: ClassVar[Kind] = Kind.CHANGES

    seen_by: str = Field("diagnose", description=_SEEN_BY)
    most: int = Field(
        200,
        ge=1,
        le=2_000,
        description="A run with more failed task instances is refused: a person has to look.",
    )
    stuck: bool = Field(
        False,
        description="Also what still ran when it was looked at, once an earlier step has marked it failed "
        "(airflow.mark_stuck_failed).",
    )


class Rerun(Parameters):
    """Runs whole DAG runs again, with their successful tasks, too (procedures §5.2, 4).

    Those that a step saw failed; or the run of one DAG and logical date, whatever became of it.
    """

    action: ClassVar[str] = "airflow.rerun"
    kind: ClassVar[Kind] = Kind.CHANGES

    seen_by: str = Field("diagnose", description=_SEEN_BY)
    dag_id: str = Field(
        "", description="With `logical_date`: the run of this DAG, instead of those that were seen."
    )
    logical_date: AwareDatetime | None = Field(
        None, description="Which run of `dag_id`, for example 2026-03-02T02:00:00Z."
    )
    most: int = Field(
        500, ge=1, le=2_000, description="A run with more task instances is refused: a person has to look."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Rerun:
        if bool(self.dag_id) != (self.logical_date is not None):
            raise ValueError("dag_id and logical_date belong together: give both, or none")
        return self


class MarkStuckFailed(Parameters):
    """Marks task instances, or whole runs, that have been running for too long as failed (procedures §5.2).

    For stuck tasks and for zombies, so that they can be cleared. Only those that run for longer than
    `older_than` and whose log has been silent for `silent_for`; Airflow then ends their processes.
    """

    action: ClassVar[str] = "airflow.mark_stuck_failed"
    kind: ClassVar[Kind] = Kind.CHANGES

    seen_by: str = Field("diagnose", description=_SEEN_BY)
    scope: Literal["tasks", "runs"] = Field(
        "tasks",
        description="`tasks`: the stuck task instances; clear_failed repairs the run then. `runs`: the whole "
        "run, whose pending tasks Airflow marks skipped; rerun repairs it then.",
    )
    older_than: Length = Field(
        timedelta(hours=2),
        ge=timedelta(),
        description="Running for longer; 2 h is the platform's SLA.",
    )
    silent_for: Length = Field(
        timedelta(minutes=10),
        ge=timedelta(),
        description="And no line in the task's log for so long. A log that cannot be read is silent.",
    )
    most: int = Field(
        10, ge=1, le=100, description="More at once are refused: Airflow itself is in trouble then."
    )


class Pause(Parameters):
    """Pauses the DAGs of the incident, and those that feed on them (procedures §3.1, contain).

    Tasks that run go on; no new ones start. `restore` unpauses those that this step paused, and no others.
    """

    action: ClassVar[str] = "airflow.pause"
    kind: ClassVar[Kind] = Kind.CHANGES

    dags: tuple[str, ...] = Field((), description="DAG ids; empty: those that the incident's signals name.")
    consumers: bool = Field(
        False,
        description="Also the DAGs downstream of them, found through assets, triggers and external-task "
        "sensors.",
    )
    most: int = Field(20, ge=1, le=200, description="More DAGs at once are refused.")


class Unpause(Parameters):
    """Unpauses DAGs (procedures §5.2, 4). `restore` pauses them again.

    A DAG with `catchup` starts the runs it has missed.
    """

    action: ClassVar[str] = "airflow.unpause"
    kind: ClassVar[Kind] = Kind.CHANGES

    dags: tuple[str, ...] = Field((), description="DAG ids; empty: those that the incident's signals name.")
    most: int = Field(20, ge=1, le=200, description="More DAGs at once are refused.")


class SetSwitch(Parameters):
    """Sets an Airflow variable that pipelines read as a feature switch (procedures §3.1, workarounds).

    `restore` puts back the value from before, or deletes the variable when there was none.
    """

    action: ClassVar[str] = "airflow.set_switch"
    kind: ClassVar[Kind] = Kind.CHANGES

    name: str = Field(
        min_length=1, max_length=250, description="The variable's name; it begins with `prefix`."
    )
    value: str = Field(
        max_length=500, description='Its new value, as text: `on`, `off`, `{"source": "mirror"}`.'
    )
    prefix: str = Field(
        "switch_",
        min_length=1,
        description="Only variables whose name begins so may be set: no others are switches.",
    )

    @model_validator(mode="after")
    def _is_switch(self) -> SetSwitch:
        if not self.name.startswith(self.prefix) or self.name == self.prefix:
            raise ValueError(f"{self.name!r} is no switch: a switch's name begins with {self.prefix!r}")
        return self


class Quarantine(Parameters):
    """Sets aside a mapped task instance that fails run after run, so that the rest goes on (procedures §5.2).

    One country of 27: only if that index has failed in at least `runs` of the last `last` runs, while all
    other indices of this run are green. It is marked in this run only, with a note; `restore` clears it.
    """

    action: ClassVar[str] = "airflow.quarantine"
    kind: ClassVar[Kind] = Kind.CHANGES

    seen_by: str = Field("diagnose", description=_SEEN_BY)
    runs: int = Field(
        3, ge=2, le=20, description="In so many of the last runs the index has failed, this one included."
    )
    last: int = Field(5, ge=2, le=20, description="So many runs are looked at, the latest ones.")
    most: int = Field(
        1, ge=1, le=10, description="More indices of a task are refused: then it is not theirs alone."
    )
    state: Literal["success", "skipped"] = Field(
        "success",
        description="How it is marked. `skipped` is more honest, but then tasks with the trigger rule "
        "all_success are skipped, too: use it where they have none_failed.",
    )

    @model_validator(mode="after")
    def _runs_within_last(self) -> Quarantine:
        if self.runs > self.last:
            raise ValueError(f"runs ({self.runs}) must not be more than last ({self.last})")
        return self


class RunsEnded(Parameters):
    """Waits until the runs that the signals name have ended: a repair must not disturb other branches.

    The signal of a failed task often comes before the end of its run. A run that is stuck is not waited for.
    """

    action: ClassVar[str] = "airflow.runs_ended"
    kind: ClassVar[Kind] = Kind.CHECKS


class RunsGreen(Parameters):
    """Proven when every run that was seen is green: the very same runs and dates (procedures §3.3)."""

    action: ClassVar[str] = "airflow.runs_green"
    kind: ClassVar[Kind] = Kind.CHECKS

    seen_by: str = Field("diagnose", description=_SEEN_BY)


class UpstreamBackoff(Parameters):
    """Proven once enough time has passed since the failure to ask the upstream API again (429, 504).

    Put it before airflow.clear_failed: `first` at the first attempt, then `factor` times as long each time.
    """

    action: ClassVar[str] = "airflow.upstream_backoff"
    kind: ClassVar[Kind] = Kind.CHECKS

    seen_by: str = Field("diagnose", description=_SEEN_BY)
    first: Length = Field(timedelta(minutes=1), ge=timedelta(), description="Pause before the first attempt.")
    factor: float = Field(2, ge=1, le=10, description="Each further attempt waits so many times longer.")
    most: Length = Field(timedelta(minutes=15), ge=timedelta(), description="The longest pause.")

    def not_before(self, failed_at: datetime, attempt: int) -> datetime:
        """When an attempt (1, 2, …) may begin."""
        times = self.factor ** min(attempt - 1, 50)
        return failed_at + min(self.most, timedelta(seconds=min(self.first.total_seconds() * times, 10**9)))


MODELS: tuple[type[Parameters], ...] = (
    LookAtRuns,
    LastRun,
    Resources,
    ClearFailed,
    Rerun,
    MarkStuckFailed,
    Pause,
    Unpause,
    SetSwitch,
    Quarantine,
    RunsEnded,
    RunsGreen,
    UpstreamBackoff,
)
