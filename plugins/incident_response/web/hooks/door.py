"""Who may send: the dependency of every hook. Airflow's users have no part in it, and cookies count nothing.

The token is taken from the Authorization header or, for Events v2, from the body; never from the address,
which every proxy on the way writes into its log.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from incident_response import bootstrap
from incident_response.domain.logs import logger
from incident_response.domain.records import Integration, IntegrationKind
from incident_response.service.integrations import Integrations

from . import body
from .bucket import Buckets
from .refusals import Refusal, too_fast, unknown, unreadable, wrong_kind
from .room import SMALL, Room
from .together import Together
from .work import Workers

log = logger(__name__)

Result = TypeVar("Result")


@dataclass
class Desk:
    """What the hooks share."""

    services: Callable[[], bootstrap.Services]
    now: Callable[[], datetime]
    workers: Workers = field(default_factory=Workers)
    buckets: Buckets = field(default_factory=Buckets)
    together: Together = field(default_factory=Together)
    room: Room = field(default_factory=Room)
    strangers: Room = field(default_factory=lambda: Room(places=16, large=2))
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

    async def note(self, request: Request, what: str, remedy: str) -> None:
        """Tell the people here that something of this request is lost; nothing when its sender is unknown."""
        sender = getattr(request.state, "sender", None)
        if sender is None:
            return
        try:
            await self.run(lambda services: services.integrations.refused(sender, what, remedy, self.now()))
        except Refusal:
            log.warning("a refusal of the integration %s could not be kept for the page", sender.name)

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
    found = await the_desk.admit(_header_token(request.headers))
    request.state.sender = found
    return found


async def document(
    request: Request, the_desk: TheDesk, _: Annotated[Integration, Depends(by_header)]
) -> AsyncIterator[Any]:
    """The body, read only for those who may send."""
    async with body.read(request, the_desk.room, body.LIMIT) as content:
        if len(content) <= SMALL:
            yield body.parse(content)
        else:  # the event loop serves others meanwhile
            yield await the_desk.workers.run(lambda: body.parse(content))


async def event(request: Request, the_desk: TheDesk) -> AsyncIterator[Any]:
    """The body of Events v2, read before anything is known of its sender: small, and soon."""
    async with body.read(request, the_desk.strangers, body.STRANGERS) as content:
        if not content:
            raise unknown()
        found = body.parse(content)
        if not isinstance(found, dict):
            raise unreadable("The body is no JSON object.", "Send an event of PagerDuty's Events API v2.")
        yield found


async def by_routing_key(
    request: Request, sent: Annotated[Any, Depends(event)], the_desk: TheDesk
) -> Integration:
    """The integration whose token is the event's routing_key."""
    key = sent.get("routing_key")
    found = await the_desk.admit(key if isinstance(key, str) else "")
    request.state.sender = found
    return of_kind(found, IntegrationKind.PAGERDUTY)


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
