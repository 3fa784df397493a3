"""AlertmanagerSource: the alerts of an Alertmanager, with its silences and inhibitions."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from incident_response.domain.errors import BadInput
from incident_response.domain.patterns import pattern
from incident_response.lengths import Length

from .base import Source
from .matchers import Ignored


def _expression(text: str) -> str:
    try:
        pattern(text)
    except BadInput as error:
        raise ValueError(str(error)) from None
    return text


class AlertmanagerSource(Source):
    """One Alertmanager; of a cluster any member, all know the same."""

    kind: Literal["alertmanager"]
    conn_id: str = Field(
        "incident_response_alertmanager",
        min_length=1,
        description="Airflow connection: URL as host; login and password (basic auth) or "
        "`bearer_token` in extra; `verify` in extra: false, or a file of certificates.",
    )
    receiver: Annotated[str, AfterValidator(_expression)] | None = Field(
        None,
        min_length=1,
        description="Only alerts routed to a receiver whose whole name matches this regular expression.",
    )
    ignore: Ignored = ()
    settle: Length = Field(
        timedelta(minutes=3),
        ge=timedelta(),
        le=timedelta(hours=1),
        description="So long after its restart an alert that is missing is not taken for resolved: it "
        "forgets them, and Prometheus tells them again within a minute or a little more.",
    )

    @property
    def connections(self) -> tuple[str, ...]:
        """The connection to Alertmanager."""
        return (self.conn_id,)
