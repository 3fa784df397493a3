"""LokiSource: log lines that are counted, and how many of them are too many."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from incident_response.lengths import Length

from .base import Entry, LabelName, Name, Source

AlertName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
_WINDOW_AT_END = re.compile(r"\[[^\]\"`]*\]\s*\)*\s*$")


class LogQuery(Entry):
    """One kind of log line, counted per value of a label in a window that moves with the clock."""

    name: Name = Field(description="Unique in its source; a label of its findings.")
    alertname: AlertName = Field("LogErrorRate", description="Names the classification rule that decides.")
    query: str = Field(
        max_length=4000, description='LogQL that selects lines, such as `{service=~".+"} |= "ERROR"`.'
    )
    by: LabelName = Field("service", description="The label that names the service; each value counts alone.")
    service: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="The affected service when no label names it; all lines then count together.",
    )
    window: Length = Field(
        timedelta(minutes=5),
        ge=timedelta(seconds=1),
        le=timedelta(hours=24),
        description="Counted back from now.",
    )
    at_least: int = Field(ge=1, description="Lines in the window that make a finding.")
    clear_below: float | None = Field(
        None, gt=0, description="A finding ends below this count; default half of at_least."
    )
    severity: Literal["critical", "warning", "info", "P1", "P2", "P3", "P4"] | None = Field(
        None, description="A label; counts when the rule has no severity of its own."
    )
    component: Literal["airflow", "infrastructure", "database", "redis", "nginx", "api", "data_quality"] = (
        Field("infrastructure", description="A label.")
    )
    samples: int = Field(5, ge=0, le=20, description="Lines kept as evidence, the latest ones, redacted.")

    @field_validator("query")
    @classmethod
    def _selects_lines(cls, text: str) -> str:
        text = text.strip()
        if not text.startswith("{"):
            raise ValueError(
                'write a LogQL query for log lines, beginning with a selector: {service=~".+"} |= "ERROR"; '
                "the detector itself counts what it selects"
            )
        if _WINDOW_AT_END.search(text):
            raise ValueError("leave the range in brackets out and set `window`: the detector adds it")
        return text

    @model_validator(mode="after")
    def _ordered(self) -> LogQuery:
        if self.clear_below is not None and self.clear_below > self.at_least:
            raise ValueError(
                f"clear_below ({self.clear_below:g}) is above at_least ({self.at_least}): a finding would "
                "end while it begins; set it to at_least or less"
            )
        return self

    @property
    def clears_below(self) -> float:
        """The count below which a finding ends."""
        return self.at_least / 2 if self.clear_below is None else self.clear_below


class LokiSource(Source):
    """Grafana Loki, or what speaks its query API."""

    kind: Literal["loki"]
    conn_id: str = Field(
        "incident_response_loki",
        min_length=1,
        description="Airflow connection: host as URL; login and password, or extra.bearer_token; "
        "extra.org_id names the tenant.",
    )
    queries: tuple[LogQuery, ...] = Field(
        min_length=1, max_length=20, description="Asked at the same time; a broken one hides no other."
    )

    @model_validator(mode="after")
    def _unique(self) -> LokiSource:
        names = [query.name for query in self.queries]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two queries are named {twice[0]!r}; a name is the key of a query's memory")
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The one connection."""
        return (self.conn_id,)
