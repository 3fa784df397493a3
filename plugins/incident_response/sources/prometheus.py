"""PrometheusSource: the alerts of a Prometheus, and conditions of our own on its metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from incident_response.lengths import Length

from .base import Entry, LabelName, Source
from .matchers import Ignored

AlertName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]
AlertSeverity = Literal["critical", "warning", "info", "P1", "P2", "P3", "P4"]


def _unreserved(labels: dict[str, str]) -> dict[str, str]:
    for label, field in (("alertname", "name"), ("severity", "severity")):
        if label in labels:
            raise ValueError(f"the label {label} comes from the field `{field}`; remove it here")
    return labels


class ThresholdQuery(Entry):
    """A condition on metrics; each series of the answer that is beyond the limit fires."""

    model_config = ConfigDict(populate_by_name=True)

    name: AlertName = Field(description="Becomes the label `alertname`.")
    query: str = Field(
        min_length=1, description="PromQL that gives a number or a vector. Its labels identify what fires."
    )
    above: float | None = Field(None, allow_inf_nan=False, description="Fires above this value.")
    below: float | None = Field(None, allow_inf_nan=False, description="Fires below this value.")
    holding: Length = Field(
        timedelta(),
        alias="for",
        ge=timedelta(),
        le=timedelta(days=7),
        description="How long the condition must hold before it fires.",
    )
    severity: AlertSeverity | None = Field(None, description="The label `severity`.")
    labels: Annotated[dict[LabelName, str], AfterValidator(_unreserved)] = Field(
        {},
        description="Labels that are added, `service` and `component` above all. A value may name labels "
        "of the series in braces: `{container}`; never `{value}`, which changes from look to look.",
    )
    summary: str = Field(
        "",
        max_length=300,
        description="One line for people. It may name labels in braces, and `{value}` and `{limit}`; "
        "these two are added at the end when `{value}` is not in it.",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> ThresholdQuery:
        if (self.above is None) == (self.below is None):
            raise ValueError(f"the query {self.name} needs exactly one of `above` and `below`")
        return self

    @property
    def limit(self) -> float:
        """The value that must not be passed."""
        found = self.below if self.above is None else self.above
        assert found is not None
        return found

    def beyond(self, value: float) -> bool:
        """Whether a value is beyond the limit. NaN never is."""
        return value > self.limit if self.above is not None else value < self.limit


class PrometheusSource(Source):
    """One Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics).

    Where an Alertmanager is deployed too, `alertmanager` is the better source of alerts: Prometheus knows
    neither silences nor inhibitions. With both, an alert is one incident with two sightings.
    """

    kind: Literal["prometheus"]
    conn_id: str = Field(
        "incident_response_prometheus",
        min_length=1,
        description="Airflow connection: URL as host; login and password (basic auth) or "
        "`bearer_token` in extra; `verify` in extra: false, or a file of certificates.",
    )
    alerts: bool = Field(True, description="Take over what its alerting rules have firing.")
    ignore: Annotated[
        Ignored,
        Field(
            description="Alerts are ignored in which every label of one entry matches as a whole; "
            "`__value__` stands for the alert's value, `\\+Inf` for a division by nothing."
        ),
    ] = ()
    queries: tuple[ThresholdQuery, ...] = Field((), description="Conditions that no alerting rule has.")
    settle: Length = Field(
        timedelta(minutes=2),
        ge=timedelta(),
        le=timedelta(hours=1),
        description="So long after its restart an alert that is missing is not taken for resolved: "
        "the rules were not evaluated yet.",
    )

    @model_validator(mode="after")
    def _something_to_do(self) -> PrometheusSource:
        if not self.alerts and not self.queries:
            raise ValueError(
                "there is nothing to look at; set `alerts: true`, add a query, or `enabled: false`"
            )
        names = [query.name for query in self.queries]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two queries are named {twice[0]!r}; a name is the key of a query's memory")
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The connection to Prometheus."""
        return (self.conn_id,)
