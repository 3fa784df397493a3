"""Source: the fields that every kind has."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from incident_response.lengths import Length

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Entry(BaseModel):
    """Base of everything in the file: unknown fields are errors, because a typo must not be silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Entry):
    """One outside system that is looked at again and again."""

    name: Name = Field(description="Unique; names its row, its sensor and its findings.")
    enabled: bool = Field(True, description="False: never looked at.")
    interval: Length = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=5),
        le=timedelta(hours=24),
        description="Between looks.",
    )
    time_limit: Length = Field(
        timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=2),
        description="A look that takes longer is given up and counts as a failure.",
    )
    repeat: Length = Field(
        timedelta(minutes=5),
        ge=timedelta(seconds=5),
        description="What goes on firing is told again after this time: it is not forgotten.",
    )

    @property
    def connections(self) -> tuple[str, ...]:
        """The Airflow connections it needs. While one of them is not defined, the source is not looked at."""
        return ()
