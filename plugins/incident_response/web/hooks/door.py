"""Who may send: the dependency of every hook. Airflow's users have no part in it, and cookies count nothing.

The token is taken from the Authorization header or, for Events v2, from the body; never from the address,
which every proxy on the way writes into its log.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from incident_response import bootstrap
from incident_response.domain.records import Integration, IntegrationKind
from incident_response.service.integrations import Integrations

from . import body
from .bucket import Buckets
from .refusals import too_fast, unknown, unreadable, wrong_kind
from .together import Together
from .work import Workers

Result = TypeVar("Result")


@dataclass
class Desk:
    """What the hooks share."""

    services: Callable[[], bootstrap.Services]
    now: Callable[[], datetime]
    workers: Workers = field(default_factory=Workers)
    buckets: Buckets = field(default_factory=Buckets)
    together: Together = field(default_factory=Together)
    _integrations: Integrations | None = None  # those of the services, once they were needed

    async def run(self, work: Callable[[bootstrap.Services], Result]) -> Result:
        """Do something with the services, in a thread. Raises Refusal."""
        return await self.workers.run(lambda: work(self.services()))

    async def admit(self, token: str) -> Integration:
        """The integration of a token. Raises Refusal: unknown, too fast, or the store is away."""
        if not token:
            raise unknown()  # and nothing is asked: a stranger learns not even that the store is away
        now = self.now()
        # Most requests of a storm are recognised from memory, without a thread.
        found = self._integrations.at_hand(token, now) if self._integrations else None
        if found is None:
            found = await self.run(lambda services: self._recognise(services, token, now))
        if found is None:
            raise unknown()
        seconds = self.buckets.wait(found.id, now)
        if seconds:
            raise too_fast(seconds)
        return found

    def _recognise(self, services: bootstrap.Services, token: str, now: datetime) -> Integration | None:
        self._integrations = services.integrations
        return self._integrations.recognise(token, now)


def desk(request: Request) -> Desk:
    """The desk of this app."""
    found: Desk = request.app.state.desk
    return found


TheDesk = Annotated[Desk, Depends(desk)]


async def by_header(request: Request, the_desk: TheDesk) -> Integration:
    """The integration whose token stands in the Authorization header: as bearer, or as a basic password."""
    return await the_desk.admit(_header_token(request.headers))


async def document(request: Request, _: Annotated[Integration, Depends(by_header)]) -> Any:
    """The body, read only for those who may send."""
    return body.parse(await body.read(request))


async def event(request: Request) -> Any:
    """The body of Events v2, read before anything is known of its sender: small, and soon."""
    content = await body.read(request)
    if not content:
        raise unknown()
    found = body.parse(content)
    if not isinstance(found, dict):
        raise unreadable("The body is no JSON object.", "Send an event of PagerDuty's Events API v2.")
    return found


async def by_routing_key(sent: Annotated[Any, Depends(event)], the_desk: TheDesk) -> Integration:
    """The integration whose token is the event's routing_key."""
    key = sent.get("routing_key")
    return of_kind(await the_desk.admit(key if isinstance(key, str) else ""), IntegrationKind.PAGERDUTY)


def of_kind(sender: Integration, kind: IntegrationKind) -> Integration:
    """The sender, if it is of this kind. Raises Refusal."""
    if sender.kind is not kind:
        raise wrong_kind(kind.value, sender.kind.value)
    return sender


def sender_of(kind: IntegrationKind) -> Callable[..., Awaitable[Integration]]:
    """The dependency of a hook that takes one kind."""

    async def sender(found: Annotated[Integration, Depends(by_header)]) -> Integration:
        return of_kind(found, kind)

    return sender


def _header_token(headers: Mapping[str, str]) -> str:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
