"""Data checks: one SELECT each, and what its answer has to be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from incident_response.lengths import Length
from incident_response.sql_text import all_bound, bind_names, reading
from incident_response.zones import Zone

from .base import Entry, Name

AlertName = Annotated[str, Field(pattern=r"^[A-Za-z]\w{0,99}$")]
Parameter = str | int | float | bool | datetime | date | None
Query = Annotated[str, Field(max_length=20000), AfterValidator(reading)]


class Check(Entry):
    """What all kinds of checks have."""

    alert: ClassVar[str]  # fired unless `alertname` says otherwise

    name: Name = Field(description="Unique in its source; a label of its findings.")
    table: str = Field(min_length=1, max_length=200, description="What is checked; a label of its findings.")
    service: str = Field(
        "", max_length=100, description="What people call it; else the source's service, else the table."
    )
    sql: Query = Field(description="One SELECT or WITH. Values are named: `:country`.")
    parameters: Mapping[str, Parameter] = Field(
        default_factory=dict, description="Their values; they are bound, never put into the text."
    )
    every: Length | None = Field(
        None,
        ge=timedelta(seconds=5),
        le=timedelta(days=7),
        description="Its own rhythm, for an expensive query; at each look of the source when not set.",
    )
    failures: int = Field(1, ge=1, le=20, description="Times in a row that it must be red until it fires.")
    alertname: AlertName | None = Field(None, description="Another name for the finding.")

    @model_validator(mode="after")
    def _bound(self) -> Check:
        all_bound(bind_names(self.sql), frozenset(self.parameters))
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """What the answer is held against, as JSON."""
        return {}


class Freshness(Check):
    """The SQL returns the newest timestamp or date. A date counts until its day has ended."""

    alert = "DataStale"
    kind: Literal["freshness"]
    warn_after: Length = Field(timedelta(hours=12), description="Older is yellow.")
    fail_after: Length = Field(timedelta(hours=24), description="Older is red.")
    warn: bool = Field(False, description="True: yellow fires, too.")
    critical: bool = Field(False, description="True: no row at all is MissingDataInCriticalTable.")
    zone: Zone = Field("UTC", description="IANA zone of timestamps that have none.")

    @model_validator(mode="after")
    def _ordered(self) -> Freshness:
        if self.warn_after > self.fail_after:
            raise ValueError("`warn_after` must not be longer than `fail_after`")
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """In seconds."""
        return {
            "warn_after": self.warn_after.total_seconds(),
            "fail_after": self.fail_after.total_seconds(),
        }


class Volume(Check):
    """The SQL returns one number; NULL is none at all."""

    alert = "DataVolumeAnomaly"
    kind: Literal["volume"]
    at_least: float | None = Field(None, description="Less is red.")
    at_most: float | None = Field(None, description="More is red.")
    critical: bool = Field(False, description="True: nothing at all is MissingDataInCriticalTable.")

    @model_validator(mode="after")
    def _some(self) -> Volume:
        if self.at_least is None and self.at_most is None:
            raise ValueError("set `at_least`, `at_most` or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("`at_least` must not be above `at_most`")
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """As given."""
        return {"at_least": self.at_least, "at_most": self.at_most}


class Completeness(Check):
    """The SQL returns a percentage, or two numbers: how many are there, how many should be."""

    alert = "DataIncomplete"
    kind: Literal["completeness"]
    fail_below: float = Field(90, ge=0, le=100, description="Less is red.")
    warn_below: float = Field(95, ge=0, le=100, description="Less is yellow.")
    warn: bool = Field(False, description="True: yellow fires, too.")
    critical: bool = Field(False, description="True: nothing at all is MissingDataInCriticalTable.")

    @model_validator(mode="after")
    def _ordered(self) -> Completeness:
        if self.fail_below > self.warn_below:
            raise ValueError("`fail_below` must not be above `warn_below`")
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """In percent."""
        return {"fail_below": self.fail_below, "warn_below": self.warn_below}


class Anomaly(Check):
    """The SQL returns one number that is held against its own past: median and median deviation."""

    alert = "DataVolumeAnomaly"
    kind: Literal["anomaly"]
    factor: float = Field(5, gt=0, le=1000, description="Median deviations that are still usual.")
    looks: int = Field(
        20, ge=3, le=200, description="Values of the past; a new level is adopted when it lasted as many."
    )
    least: int = Field(8, ge=3, le=200, description="Values it must have seen before it may speak.")
    tolerance: float = Field(
        10, ge=0, le=1000, description="Percent of the median: less is never strange, however even the past."
    )

    @model_validator(mode="after")
    def _enough(self) -> Anomaly:
        if self.least > self.looks:
            raise ValueError("`least` must not be above `looks`: it would never speak")
        return self

    @property
    def limits(self) -> dict[str, Any]:
        """As given."""
        return {"factor": self.factor, "tolerance": self.tolerance, "looks": self.looks}


class Loss(Check):
    """The SQL returns one number that grows or stays, as the rows of a table. Less than there was is loss."""

    alert = "DataLoss"
    kind: Literal["loss"]
    tolerance: float = Field(
        1, ge=0, le=100, description="Percent that may be gone: corrections delete a few rows."
    )
    looks: int = Field(
        28,
        ge=2,
        le=1000,
        description="Red until then; when it lasted so many looks the lower number is the new level.",
    )

    @property
    def limits(self) -> dict[str, Any]:
        """As given."""
        return {"tolerance": self.tolerance, "looks": self.looks}


class Assertion(Check):
    """The SQL returns the rows that must not be there."""

    alert = "DataInvalid"
    kind: Literal["assertion"]
    allowed: int = Field(0, ge=0, le=10000, description="So many rows are no finding.")

    @property
    def limits(self) -> dict[str, Any]:
        """As given."""
        return {"allowed": self.allowed}


AnyCheck = Annotated[
    Freshness | Volume | Completeness | Anomaly | Loss | Assertion, Field(discriminator="kind")
]
