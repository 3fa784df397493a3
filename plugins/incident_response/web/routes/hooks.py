"""Pushed signals: Alertmanager, Grafana and plain JSON, answered after they are stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from incident_response import bootstrap
from incident_response.domain.records import Integration, IntegrationKind
from incident_response.domain.signals import Signal
from incident_response.web.hooks import alertmanager, door, grafana, plain
from incident_response.web.hooks.refusals import Refusal

router = APIRouter()

_NAMED = 5  # of what could not be taken

Read = Callable[[bootstrap.Services, datetime, list[str]], list[Signal]]  # the last one: what is unread


def sent_by(kind: IntegrationKind) -> Any:
    """The parameter of a hook that takes one kind: before the body is read, the kind is checked."""
    return Depends(door.sender_of(kind))


@router.post("/alertmanager")
async def from_alertmanager(
    by: Annotated[Integration, sent_by(IntegrationKind.ALERTMANAGER)],
    document: Annotated[Any, Depends(door.document)],
    desk: door.TheDesk,
    request: Request,
) -> dict[str, Any]:
    """Alertmanager's `webhook_configs`."""
    return await _take(desk, request, lambda _, now, unread: alertmanager.signals(document, by, now, unread))


@router.post("/grafana")
async def from_grafana(
    by: Annotated[Integration, sent_by(IntegrationKind.GRAFANA)],
    document: Annotated[Any, Depends(door.document)],
    desk: door.TheDesk,
    request: Request,
) -> dict[str, Any]:
    """Grafana's contact point of type Webhook."""
    return await _take(desk, request, lambda _, now, unread: grafana.signals(document, by, now, unread))


@router.post("/signal")
async def plainly(
    by: Annotated[Integration, sent_by(IntegrationKind.SIGNAL)],
    document: Annotated[Any, Depends(door.document)],
    desk: door.TheDesk,
    request: Request,
) -> dict[str, Any]:
    """Anything that can send JSON."""
    return await _take(
        desk, request, lambda services, now, _: plain.signals(document, by, services.store, now)
    )


@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def lost(path: str) -> None:
    """Whatever else: behind the token, like everything here."""
    raise Refusal(
        404,
        "There is no such hook. Nothing was taken.",
        "POST to alertmanager, grafana, signal or pagerduty/v2/enqueue.",
    )


async def _take(desk: door.Desk, request: Request, read: Read) -> dict[str, Any]:
    """Take the signals in. What cannot be taken of a group does not cost the rest, and people are told."""
    lost: list[str] = []

    def work(services: bootstrap.Services) -> dict[str, Any]:
        receipts = desk.together.receive(
            services.intake, lambda: read(services, desk.now(), lost), desk.now, lost
        )
        numbers = sorted({receipt.incident for receipt in receipts if receipt.incident is not None})
        return {"taken": len(receipts), "incidents": [f"INC-{number}" for number in numbers]}

    answer = await desk.run(work)
    if lost:
        shown = "; ".join(lost[:_NAMED]) + (f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else "")
        await desk.note(
            request,
            f"{len(lost)} alerts of a group could not be taken, the others were: {shown}",
            "mend the template that writes them; docs/webhooks.md shows a body of each kind",
        )
        answer["lost"] = lost[:_NAMED]
    return answer
