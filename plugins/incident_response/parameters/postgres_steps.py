"""Parameters of the postgres actions. None of them takes SQL: names are looked up, values are bound."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from incident_response.domain.actions import Kind
from incident_response.lengths import Length

from .base import Parameters

Which = Literal["blockers", "long_running", "idle_in_transaction", "idle"]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=100)]
# The name of a relation is judged against pg_class; here only what could be no name at all.
Relation = Annotated[str, StringConstraints(min_length=3, max_length=200)]

# Airflow itself, the ingestions (platform.md) and backups.
PROTECTED = (
    "incident_response", "airflow%", "eurostat%", "entsoe%", "osm%", "%ingestion%",
    "pg_dump%", "pg_restore%", "pg_basebackup%",
)  # fmt: skip
LIMITS: dict[str, timedelta] = {
    "blockers": timedelta(minutes=1),
    "long_running": timedelta(minutes=10),
    "idle_in_transaction": timedelta(minutes=10),
    "idle": timedelta(minutes=10),
}


class OnDatabase(Parameters):
    """What every postgres action has."""

    conn_id: str = Field(
        "lianel_energy_db", min_length=1, description="The Airflow connection of the database."
    )

    @property
    def connections(self) -> tuple[str, ...]:
        """The Airflow connection it needs."""
        return (self.conn_id,)


class Status(OnDatabase):
    """Does the server answer? Version, whether it is a replica, since when it runs (procedures §5.3, 1).

    That it does not answer is a finding and no error.
    """

    action = "postgres.status"
    kind = Kind.LOOKS


class Connections(OnDatabase):
    """How many connections are in use, by whom and in what state (procedures §5.3, 2).

    Counted on the whole server, against max_connections without those that are reserved.
    """

    action = "postgres.connections"
    kind = Kind.LOOKS

    percent: float = Field(
        80, gt=0, le=100, description="Percentage in use from which they count as exhausted."
    )
    idle_in_transaction: Length = Field(
        LIMITS["idle_in_transaction"],
        description="A transaction that has been idle for longer than this is named.",
    )


class Locks(OnDatabase):
    """Who waits for whom, since when, and who stands at the head of the queue (procedures §5.3, 3)."""

    action = "postgres.locks"
    kind = Kind.LOOKS

    older_than: Length = Field(
        timedelta(seconds=5), description="Waits shorter than this are shown but are no cause."
    )


class SlowQueries(OnDatabase):
    """What has been running for long, and which statements are slow on average (procedures §5.3, 4).

    The averages come from the extension pg_stat_statements where it is installed; they reach back to its last
    reset, so they are evidence and never a cause.
    """

    action = "postgres.slow_queries"
    kind = Kind.LOOKS

    slower_than: Length = Field(
        timedelta(seconds=5), description="A statement that runs for longer than this is slow."
    )
    long_running: Length = Field(
        LIMITS["long_running"], description="And one that runs for longer than this is long-running."
    )
    ignore_applications: tuple[Pattern, ...] = Field(
        ("pg_dump%", "pg_restore%"),
        max_length=50,
        description="Values of application_name whose statements may take long; `%` stands for anything.",
    )


class Tables(OnDatabase):
    """Sizes, dead rows, and when each table was last analysed and vacuumed (procedures §5.3, 5).

    `postgres.analyze` and `postgres.vacuum` without `tables` take those that this one found.
    """

    action = "postgres.tables"
    kind = Kind.LOOKS

    rows: int = Field(1000, ge=1, description="Smaller tables are no cause.")
    stale_percent: float = Field(
        20,
        gt=0,
        description="Rows changed since the last ANALYZE, in percent, from which statistics are stale.",
    )
    bloated_percent: float = Field(
        20, gt=0, le=100, description="Dead rows, in percent of all, from which a table is bloated."
    )


class Ending(OnDatabase):
    """Which sessions may be touched, and which never."""

    older_than: Length | None = Field(
        None,
        description="For longer than this: somebody waits for it (`blockers`), it runs (`long_running`), it "
        "has been idle. Left out: 1 min for `blockers`, 10 min for the others.",
    )
    most: int = Field(5, ge=1, le=100, description="At most so many at once, the oldest first.")
    whole_server: bool = Field(False, description="True: sessions in the other databases of the server, too.")
    protected: tuple[Pattern, ...] = Field(
        PROTECTED,
        max_length=100,
        description="Users and values of application_name that are never touched; `%` stands for anything. "
        "`incident_response` is always among them.",
    )
    writers: bool = Field(
        False, description="True: also sessions whose transaction has written; their work is rolled back."
    )
    allowed_writers: tuple[Pattern, ...] = Field(
        (),
        max_length=100,
        description="Of `blockers`: users and application names that may have written. `%` as above.",
    )

    @property
    def chosen(self) -> Which:
        """Which sessions."""
        raise NotImplementedError

    @property
    def limit(self) -> timedelta:
        """For longer than this."""
        return LIMITS[self.chosen] if self.older_than is None else self.older_than

    @model_validator(mode="after")
    def _writers_block(self) -> Ending:
        if self.allowed_writers and self.chosen != "blockers":
            raise ValueError("`allowed_writers` counts for `which: blockers` only; write `writers: true`")
        return self


class Cancel(Ending):
    """Cancel the running statement of chosen sessions; the sessions live on (procedures §5.3, 3).

    A session that is idle in a transaction has no statement to cancel: it is passed over, and only
    `postgres.terminate` helps.
    """

    action = "postgres.cancel"
    kind = Kind.CHANGES

    which: Literal["blockers", "long_running"] = Field(description="Whose statement.")

    @property
    def chosen(self) -> Which:
        """Which sessions."""
        return self.which


class Terminate(Ending):
    """End chosen sessions; what they have not committed is rolled back (procedures §5.3, 2 and 3)."""

    action = "postgres.terminate"
    kind = Kind.CHANGES

    which: Which = Field(description="Which sessions.")

    @property
    def chosen(self) -> Which:
        """Which sessions."""
        return self.which


class Unblock(Ending):
    """End the waiting for locks, at the head of the queue (procedures §5.3, 3).

    One rung of the ladder for each step: `by: cancel` first, `by: terminate` in the next attempt.
    """

    action = "postgres.unblock"
    kind = Kind.CHANGES

    by: Literal["cancel", "terminate"] = Field(
        "cancel", description="Cancel its statement, or end the session."
    )

    @property
    def chosen(self) -> Which:
        """Which sessions."""
        return "blockers"


class Upkeep(OnDatabase):
    """What maintenance of tables has in common."""

    tables: tuple[Relation, ...] = Field(
        (),
        max_length=50,
        description="`schema.table`, each. Left out: those that an earlier `postgres.tables` found.",
    )
    most: int = Field(5, ge=1, le=50, description="At most so many at once.")
    lock_timeout: Length = Field(
        timedelta(seconds=2),
        description="Given up when the table's lock is not to be had within this time: nobody queues behind "
        "us.",
    )


class Analyze(Upkeep):
    """ANALYZE: renew the planner's statistics of tables (procedures §5.3, 5)."""

    action = "postgres.analyze"
    kind = Kind.CHANGES


class Vacuum(Upkeep):
    """VACUUM (ANALYZE), never FULL: make the room of dead rows usable again (procedures §5.3, 5)."""

    action = "postgres.vacuum"
    kind = Kind.CHANGES


class Reindex(OnDatabase):
    """REINDEX CONCURRENTLY of indexes, or of all indexes of tables (procedures §5.3, 5).

    When it is interrupted it leaves an invalid index behind; `undo` drops that, nothing else does.
    """

    action = "postgres.reindex"
    kind = Kind.CHANGES

    tables: tuple[Relation, ...] = Field(
        (), max_length=50, description="`schema.table`, each: all its indexes."
    )
    indexes: tuple[Relation, ...] = Field((), max_length=50, description="`schema.index`, each.")
    most: int = Field(5, ge=1, le=50, description="At most so many at once.")
    lock_timeout: Length = Field(
        timedelta(seconds=10),
        description="Given up when a transaction that uses the table does not end within this time. Readers "
        "and writers never wait for it; too short a time leaves invalid indexes behind.",
    )

    @model_validator(mode="after")
    def _something(self) -> Reindex:
        if not self.tables and not self.indexes:
            raise ValueError("name `tables` or `indexes`")
        return self


class Responsive(OnDatabase):
    """The server answers in time, has connections left, and nobody waits long for a lock.

    `null` for a field: not looked at. It proves, or asks again; it never gives up by itself.
    """

    action = "postgres.responsive"
    kind = Kind.CHECKS

    within: Length | None = Field(
        timedelta(seconds=2), description="It connects and answers within this time."
    )
    percent: float | None = Field(
        80, gt=0, le=100, description="Fewer connections than this percentage are in use."
    )
    blocked_after: Length | None = Field(
        timedelta(minutes=1), description="Nobody has been waiting for a lock for longer than this."
    )


MODELS: tuple[type[Parameters], ...] = (
    Status, Connections, Locks, SlowQueries, Tables, Cancel, Terminate, Unblock, Analyze, Vacuum, Reindex,
    Responsive,
)  # fmt: skip
