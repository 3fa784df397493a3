"""PagerDuty's Events API v2 under an address of ours: `…/hooks/pagerduty/v2/enqueue`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from incident_response import bootstrap
from incident_response.domain.records import Integration
from incident_response.web.hooks import door, pagerduty
from incident_response.web.hooks.refusals import Refusal

router = APIRouter()


@router.post("/v2/enqueue")
async def enqueue(
    by: Annotated[Integration, Depends(door.by_routing_key)],
    sent: Annotated[Any, Depends(door.event)],
    desk: door.TheDesk,
) -> JSONResponse:
    """One event."""

    def work(services: bootstrap.Services) -> str:
        odd: list[str] = []
        found, now = pagerduty.read(sent, odd), desk.now()
        return pagerduty.happen(found, by, services.store, services.intake, services.lifecycle, now, odd)

    key = await desk.run(work)
    return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)


@router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def lost(path: str) -> None:
    """Whatever else: behind the token, like everything here."""
    raise Refusal(404, "There is no such address. Nothing was taken.", "POST to v2/enqueue.")
