"""HttpHealthSource: services that are asked by HTTP whether they are well; many in one look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from incident_response.http_fields import Address, Pattern, scalars
from incident_response.http_statuses import Statuses
from incident_response.lengths import Length

from .base import Entry, Source
from .components import Component

JsonValue = Annotated[Any, Field(description="A text, a number, true, false or null.")]


class HttpTarget(Entry):
    """One address, and what a healthy answer of it looks like."""

    service: str = Field(min_length=1, max_length=100, description="What people call it.")
    url: Address = Field(max_length=2000, description="http:// or https://, without user and password.")
    component: Component = Field("api", description="The part of the platform it belongs to.")
    expect_status: Statuses = Field(((200, 399),), description="200, 200..399, or a list of these.")
    follow_redirects: bool = Field(
        True, description="To the same host only. False, or only 3xx expected: a redirect is the answer."
    )
    within: Length | None = Field(
        None, gt=timedelta(), description="A healthy answer that takes longer is slow. Default: not judged."
    )
    body: Pattern | None = Field(
        None, min_length=1, max_length=500, description="Regular expression found in the first 64 KiB."
    )
    json_values: Annotated[Mapping[str, JsonValue], AfterValidator(scalars)] = Field(
        {}, alias="json", max_length=50, description="Dotted path → value: {scheduler.status: healthy}."
    )
    failures: int = Field(2, ge=1, le=100, description="Failed looks in a row before it fires.")
    successes: int = Field(2, ge=1, le=100, description="Good looks in a row before it ends.")
    retries: int = Field(1, ge=0, le=5, description="Further tries inside one look.")
    start_grace: Length = Field(
        timedelta(),
        ge=timedelta(),
        le=timedelta(hours=1),
        description="Fires only when it has failed for this long: the time it may take to start.",
    )
    tls_days: float = Field(14, ge=0, le=365, description="A certificate that ends within so many days.")
    verify: bool = Field(True, description="False: any certificate is accepted; its end is still watched.")
    ca: str | None = Field(None, description="PEM file of the authority of an internal certificate.")
    conn_id: str | None = Field(
        None, min_length=1, description="Connection with login and password (basic) or a password (bearer)."
    )

    @property
    def follows(self) -> bool:
        """Whether a redirect to the same host is followed: not when it is what is expected."""
        return self.follow_redirects and not all(
            low >= 300 and high < 400 for low, high in self.expect_status
        )

    @property
    def parts(self) -> SplitResult:
        """The parts of the address."""
        return urlsplit(self.url)

    @property
    def label(self) -> str:
        """The address without its query, which may hold a secret and does not identify anything."""
        return f"{self.parts.scheme}://{self.parts.netloc}{self.parts.path or '/'}"


class HttpHealthSource(Source):
    """Services that are healthy, slow or down, and TLS certificates that end.

    It asks directly, never through a proxy, and follows redirects only to the same host.
    """

    kind: Literal["http_health"] = "http_health"
    targets: tuple[HttpTarget, ...] = Field(min_length=1, max_length=100, description="All asked at once.")

    @property
    def connections(self) -> tuple[str, ...]:
        """Those that the targets name."""
        return tuple(dict.fromkeys(target.conn_id for target in self.targets if target.conn_id))

    def patience(self, target: HttpTarget) -> timedelta:
        """How long one try may take: all of them fit into seven tenths of the look's time limit."""
        return self.time_limit * 0.7 / (target.retries + 1)

    @model_validator(mode="after")
    def _consistent(self) -> HttpHealthSource:
        seen: set[tuple[str, str]] = set()
        for target in self.targets:
            key = (target.service, target.label)
            if key in seen:
                raise ValueError(f"{target.service} has {target.label} twice; its findings would be the same")
            seen.add(key)
            if target.within and target.within >= self.patience(target):
                raise ValueError(
                    f"{target.service}: within must be shorter than one try may take, "
                    f"{self.patience(target).total_seconds():.1f} s; raise time_limit or lower retries"
                )
        return self
