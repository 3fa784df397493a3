"""DataQualitySource: SELECTs that tell whether data is fresh, complete and right."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from incident_response.lengths import Length

from .base import Source
from .data_checks import AnyCheck


class DataQualitySource(Source):
    """Checks in one database, by any SQL connection of Airflow. Each has its own findings."""

    kind: Literal["data_quality"]
    conn_id: str = Field(min_length=1, description="The Airflow connection, for example `lianel_energy_db`.")
    service: str = Field(
        "", max_length=100, description="Of all its findings; when empty, each table is a service of its own."
    )
    interval: Length = Field(
        timedelta(minutes=5),
        ge=timedelta(seconds=5),
        le=timedelta(hours=24),
        description="Between looks. A check may be slower (`every`), never faster.",
    )
    time_limit: Length = Field(
        timedelta(minutes=1),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=2),
        description="For all checks of one look; those it is too short for come first at the next one.",
    )
    query_limit: Length = Field(
        timedelta(seconds=20),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=2),
        description="For one check's query.",
    )
    query_failures: int = Field(
        2, ge=1, le=20, description="Times in a row that a query must fail until DataQueryFailed fires."
    )
    checks: tuple[AnyCheck, ...] = Field(min_length=1, max_length=200, description="What is checked.")

    @model_validator(mode="after")
    def _unique(self) -> DataQualitySource:
        names = [check.name for check in self.checks]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two checks are named {twice[0]!r}; the name is the key of a check's memory")
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The Airflow connection it needs."""
        return (self.conn_id,)
