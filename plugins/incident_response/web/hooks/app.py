"""The apps of the hooks. Each has its own way to recognise a sender and its own way to say no.

They are mounted beside the page and not among its routes, because the page's login stands before all of
those. In exchange each carries its own dependency before every route, also before later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from incident_response import bootstrap
from incident_response.web.routes import hooks, pagerduty_events

from . import door
from .refusals import NOTHING, Refusal, wrong

Shape = Callable[[Refusal], tuple[int, dict[str, Any]]]  # status and body


def install(app: FastAPI, services: Callable[[], bootstrap.Services], now: Callable[[], datetime]) -> None:
    """Mount the hooks into `app`, before its own routes."""
    desk = door.Desk(services, now)
    events = _app("Events v2", desk, door.by_routing_key, _as_pagerduty)
    events.include_router(pagerduty_events.router)
    pushed = _app("Hooks", desk, door.by_header, _as_problem)
    pushed.include_router(hooks.router)
    app.mount("/hooks/pagerduty", events)
    app.mount("/hooks", pushed)


def _app(title: str, desk: door.Desk, authorised: Callable[..., Any], shape: Shape) -> FastAPI:
    app = FastAPI(
        title=title,
        dependencies=[Depends(authorised)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.desk = desk

    async def refused(request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refusal)
        if refusal.is_lasting:
            await desk.note(request, refusal.message, refusal.remedy)
        status, content = shape(refusal)
        return JSONResponse(content, status, headers=dict(refusal.headers))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = f"{error.detail} {NOTHING}"
        return await refused(
            request, Refusal(error.status_code, text, "docs/webhooks.md lists the addresses.")
        )

    async def invalid(request: Request, _: Exception) -> Response:
        return await refused(request, wrong(("the request cannot be read",)))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    return app


def _as_problem(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    problems = {"problems": list(refusal.problems)} if refusal.problems else {}
    return refusal.status, {"detail": refusal.message, "remedy": refusal.remedy, **problems}


def _as_pagerduty(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """The shape that clients of Events v2 know; to them every event that cannot be used is a 400."""
    words = dict.fromkeys((500, 503), ("internal error", "The event was not taken."))
    status, message = words.get(refusal.status, ("invalid event", "Event object is invalid"))
    errors = [*(refusal.problems or (refusal.message,)), refusal.remedy]
    code = 400 if refusal.status == 422 else refusal.status
    return code, {"status": status, "message": message, "errors": errors}
