"""Parameters of the check actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from incident_response.domain.actions import Kind
from incident_response.http_fields import Address, Pattern, scalars
from incident_response.http_statuses import Statuses
from incident_response.lengths import Length

from .base import Parameters

_LONGEST = timedelta(seconds=30)  # of all successes in a row: one look has to end
_NO = timedelta()


class SignalsQuiet(Parameters):
    """Does nothing of the incident fire any more (procedures §5, last step of each response)?

    Looks at the sources that saw its own signals at once, and forgives nothing: one bad answer is enough, and
    for data the very query that opened the incident is run again. What a person, a webhook or another system
    told cannot be looked at again; it is named, and blocks nothing unless `least` says so.
    """

    action: ClassVar[str] = "check.signals_quiet"
    kind: ClassVar[Kind] = Kind.CHECKS

    least: int = Field(
        0, ge=0, le=1000, description="So many signals must be such that can be looked at; 1: silence alone "
        "is no proof.",
    )  # fmt: skip


class Told(Parameters):
    """Which alerts does the incident hold? Names a cause by them, for `when` and `unless` of later steps."""

    action: ClassVar[str] = "check.told"
    kind: ClassVar[Kind] = Kind.LOOKS

    alerts: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1, max_length=50, description="Names of alerts, as `alertname` has them."
    )
    finds: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,40}$", description="The cause that is found when one of them fires."
    )


class CheckHttp(Parameters):
    """Does an address answer as a healthy one does, several times in a row (procedures §5.1, step 5)?

    It asks directly, never through a proxy, and follows redirects only to the same host.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    action: ClassVar[str] = "check.http"
    kind: ClassVar[Kind] = Kind.CHECKS
    retries: ClassVar[int] = 0  # a success has to be one at the first try

    url: Address | None = Field(
        None, max_length=2000, description="http:// or https://, without user and password."
    )
    conn_id: str | None = Field(
        None,
        min_length=1,
        description="Airflow connection with login and password (basic) or a password alone (bearer); its "
        "host is the address when there is no `url`.",
    )
    path: str = Field(
        "", max_length=1000, pattern=r"^(/[^\s]*)?$", description="Behind that host: `/health`."
    )
    status: Statuses = Field(((200, 399),), description="200, 200..399, or a list of these.")
    body: Pattern | None = Field(
        None, min_length=1, max_length=500, description="Regular expression found in the first 64 KiB."
    )
    json_values: Annotated[Mapping[str, Any], AfterValidator(scalars)] = Field(
        {}, alias="json", max_length=50, description="Dotted path → value: {scheduler.status: healthy}."
    )
    within: Length | None = Field(None, gt=_NO, le=_LONGEST, description="A slower answer is no success.")
    times: int = Field(1, ge=1, le=20, description="Successes in a row.")
    pause: Length = Field(timedelta(seconds=1), ge=_NO, le=_LONGEST, description="Between two of them.")
    verify: bool = Field(True, description="False: any certificate is accepted.")
    ca: str | None = Field(None, description="PEM file of the authority of an internal certificate.")

    @model_validator(mode="after")
    def _addressed(self) -> CheckHttp:
        if not self.url and not self.conn_id:
            raise ValueError("set `url`, or `conn_id` of a connection whose host is the address")
        if self.url and self.path:
            raise ValueError("`path` belongs to a connection's host; put it into `url`")
        if self.pause * (self.times - 1) > _LONGEST:
            raise ValueError(
                f"`times` with `pause` takes longer than {_LONGEST.seconds} s; lower one of them"
            )
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """That of the login."""
        return (self.conn_id,) if self.conn_id else ()


class CheckPrometheus(Parameters):
    """Has a metric been on the right side of a limit for a time (procedures §5.4, step 5)?

    All series of the answer have to be, at each moment of that time, and there has to be one. The time
    begins when the remediation does, not before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    action: ClassVar[str] = "check.prometheus"
    kind: ClassVar[Kind] = Kind.CHECKS

    conn_id: str = Field(
        "incident_response_prometheus",
        min_length=1,
        description="Airflow connection: URL as host; login and password, or `bearer_token` in extra.",
    )
    query: str = Field(min_length=1, max_length=5000, description="PromQL: a number, or a vector of series.")
    below: float | None = Field(None, allow_inf_nan=False, description="It has to be below this value.")
    above: float | None = Field(None, allow_inf_nan=False, description="It has to be above this value.")
    holding: Length = Field(
        timedelta(minutes=2),
        alias="for",
        ge=_NO,
        le=timedelta(hours=6),
        description="For so long; 0: now is enough.",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> CheckPrometheus:
        if (self.above is None) == (self.below is None):
            raise ValueError("set exactly one of `above` and `below`")
        return self

    def holds(self, value: float) -> bool:
        """Whether a value is on the right side. NaN never is."""
        return value < self.below if self.below is not None else value > (self.above or 0.0)

    @property
    def limit(self) -> str:
        """`below 0.5`."""
        return f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"

    @property
    def connections(self) -> tuple[str, ...]:
        """The connection to Prometheus."""
        return (self.conn_id,)


class CheckWait(Parameters):
    """A pause.

    It is over when so much time has passed since the remediation began to act, else since it was first asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    action: ClassVar[str] = "check.wait"
    kind: ClassVar[Kind] = Kind.CHECKS

    length: Length = Field(
        timedelta(seconds=30), alias="for", ge=_NO, le=timedelta(hours=6), description="How long."
    )


MODELS: tuple[type[Parameters], ...] = (SignalsQuiet, Told, CheckHttp, CheckPrometheus, CheckWait)
