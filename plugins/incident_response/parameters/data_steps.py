"""Parameters of the data actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from incident_response.domain.actions import Kind
from incident_response.lengths import Length
from incident_response.sql_text import all_bound, bind_names, reading

from .base import Parameters
from .calendars import Calendar

Value = str | int | float | bool | datetime | date | None
Query = Annotated[str, Field(max_length=20_000), AfterValidator(reading)]
DagId = Annotated[str, Field(max_length=250, pattern=r"^[\w.~-]*$")]
# Bound by the action itself when `expected` is a calendar and the SQL names them.
OWN_VALUES = frozenset({"since", "until"})


class ExpectedKeys(BaseModel):
    """The keys that ought to be there, by SQL: partitions, countries, dates of a calendar table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql: Query = Field(description="One SELECT of one column.")


def _shape(value: Any) -> str:
    named = isinstance(value, Mapping) and "sql" in value
    return "sql" if named or isinstance(value, ExpectedKeys) else "calendar"


Expected = Annotated[
    Annotated[Calendar, Tag("calendar")] | Annotated[ExpectedKeys, Tag("sql")], Discriminator(_shape)
]


class DataMissing(Parameters):
    """Find the dates or partitions that are missing in a table (procedures §5.5, step 3).

    Compares the keys that are expected with those that one SELECT finds. It reads in one read-only
    transaction, on any SQL connection. Finds `data_missing` when a key is missing.
    """

    action: ClassVar[str] = "data.missing"
    kind: ClassVar[Kind] = Kind.LOOKS

    conn_id: str = Field("lianel_energy_db", min_length=1, description="Airflow connection of the database.")
    table: str = Field(min_length=1, max_length=200, description="What people call it, for texts.")
    expected: Expected = Field(
        default_factory=Calendar,
        description="`{from: 30 days ago, to: yesterday, every: day, zone: UTC}`, or `{sql: SELECT …}`.",
    )
    present: Query = Field(
        description="One SELECT of one column: the keys that are there. Values are named, `:country`; "
        "`:since` and `:until` (exclusive) are the ends of the calendar."
    )
    checkpoint: Annotated[str, AfterValidator(lambda sql: reading(sql) if sql else sql)] = Field(
        "",
        max_length=20_000,
        description="One SELECT of one date or time, for an ingestion that goes on from there and never "
        "looks behind it: missing keys before it are `data_gap`, and no run brings them back.",
    )
    parameters: Mapping[str, Value] = Field(
        default_factory=dict, description="Values of all SQLs; they are bound, never put into the text."
    )
    most: int = Field(
        50, ge=1, le=50, description="Keys in the finding. When more are missing, nothing is ingested."
    )

    @model_validator(mode="after")
    def _bound(self) -> DataMissing:
        given = frozenset(self.parameters)
        own = OWN_VALUES if isinstance(self.expected, Calendar) else frozenset()
        named = bind_names(self.present)
        if isinstance(self.expected, ExpectedKeys):
            named |= bind_names(self.expected.sql)
        named |= bind_names(self.checkpoint)
        all_bound(named - own, given - (named & own))
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The database's."""
        return (self.conn_id,)


class DataRows(Parameters):
    """Show what a database says about the trouble (procedures §5.5, steps 1 to 3).

    One SELECT in a read-only transaction; its rows are kept as evidence, and the first ones are told in the
    timeline: which countries and dates, how many rows, what the ingestion log says.
    """

    action: ClassVar[str] = "data.rows"
    kind: ClassVar[Kind] = Kind.LOOKS

    conn_id: str = Field("lianel_energy_db", min_length=1, description="Airflow connection of the database.")
    title: str = Field(min_length=1, max_length=100, description="What the rows are, for people.")
    name: str = Field("rows", pattern=r"^[\w.-]{1,60}$", description="Of the exhibit: `<name>.csv`.")
    sql: Query = Field(description="One SELECT. Put the rows that matter most first.")
    parameters: Mapping[str, Value] = Field(
        default_factory=dict, description="Values that the SQL names, `:country`; they are bound."
    )
    most: int = Field(50, ge=1, le=500, description="Rows that are kept.")
    finds: str = Field(
        "", pattern=r"^([a-z][a-z0-9_]{0,40})?$", description="Cause that is found when there is a row."
    )

    @model_validator(mode="after")
    def _bound(self) -> DataRows:
        all_bound(bind_names(self.sql), frozenset(self.parameters))
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The database's."""
        return (self.conn_id,)


class DataRun(Parameters):
    """Run ingestion DAGs once that cannot be told what to ingest (procedures §5.5, step 4).

    For DAGs that read neither conf nor params and go on from their own checkpoint. Refused while a run of one
    is at work, and when the `data.missing` step found keys before the checkpoint. The run's id is
    `incident-<number>-<attempt>`, so none is started twice. Nothing is undone.
    """

    action: ClassVar[str] = "data.run"
    kind: ClassVar[Kind] = Kind.CHANGES

    dags: tuple[Annotated[str, Field(min_length=1, max_length=250, pattern=r"^[\w.~-]+$")], ...] = Field(
        min_length=1, max_length=20, description="The DAGs; each gets one run, without conf."
    )
    from_step: str = Field("missing", min_length=1, description="Name of the `data.missing` step, if any.")


class _Ingesting(Parameters):
    """What the steps that ingest again have in common."""

    kind: ClassVar[Kind] = Kind.CHANGES

    dag_id: DagId = Field("", description="The ingestion DAG. Default: the incident's label `dag_id`.")
    from_step: str = Field("missing", min_length=1, description="Name of the `data.missing` step before.")
    shift: Length = Field(
        timedelta(),
        ge=timedelta(),
        le=timedelta(days=366),
        description="The logical date of a key's run is so much later than the key: `1 day` where the run "
        "of a day ingests the day before.",
    )


class DataIngest(_Ingesting):
    """Ingest exactly the missing keys again: one run of the ingestion DAG for each (procedures §5.5, step 4).

    The run's id is `incident-<number>-<attempt>-<key>`, so none is started twice. Nothing is undone.
    """

    action: ClassVar[str] = "data.ingest"

    conf: Mapping[str, Any] = Field(
        default_factory=lambda: {"date": "{key}"},
        description="Conf of each run; `{key}` in its texts becomes the key.",
    )
    logical_date: bool = Field(
        False, description="True: the run has the key as its logical date; else it has none."
    )
    most: int = Field(10, ge=1, le=50, description="Runs. When more keys are missing, a person decides.")


class DataBackfill(_Ingesting):
    """Ingest the missing dates again by Airflow's backfill, for a DAG with a schedule.

    One backfill over the range of the missing dates. It is refused when the dry run names a date that is not
    missing. Nothing is undone.
    """

    action: ClassVar[str] = "data.backfill"

    conf: Mapping[str, Any] = Field(default_factory=dict, description="Conf of all its runs.")
    reprocess: Literal["none", "failed", "completed"] = Field(
        "none",
        description="Dates that have a run already: `none` leaves them alone, `failed` runs the failed ones "
        "again, `completed` all.",
    )
    max_active_runs: int = Field(1, ge=1, le=50, description="Runs at a time; the platform has two slots.")
    most: int = Field(31, ge=1, le=50, description="Keys, and runs. When there are more, a person decides.")


class DataIngested(Parameters):
    """Have all runs ended well that an ingesting step started (procedures §5.5, step 4)?

    Not yet while one is queued or running; never any more when one has failed or is gone.
    """

    action: ClassVar[str] = "data.ingested"
    kind: ClassVar[Kind] = Kind.CHECKS

    dag_id: DagId = Field("", description="As in the ingesting step.")
    from_step: str = Field("missing", min_length=1, description="As in the ingesting step.")


MODELS: tuple[type[Parameters], ...] = (
    DataMissing,
    DataRows,
    DataRun,
    DataIngest,
    DataBackfill,
    DataIngested,
)
