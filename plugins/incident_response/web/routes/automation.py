"""Automation: may runbooks act at all? The kill switch, the breaker, and what they work on now."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from incident_response.domain.automation import BREAKER, KILL_SWITCH
from incident_response.domain.errors import BadInput
from incident_response.web.auth import Operator
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.forms import Form
from incident_response.web.rendering import Page

router = APIRouter()


@router.get("/automation")
def automation(services: Services, page: ThePage) -> Response:
    """Both switches, and the runbooks."""
    return _page(services, page)


@router.post("/automation/{name}")
def switch(name: str, form: Form, who: Operator, services: Services, now: Now, page: ThePage) -> Response:
    """Switch it off, with a reason, or on again."""
    if name not in (KILL_SWITCH, BREAKER):
        raise BadInput(f"there is no switch {name[:40]!r}; nothing was changed")
    try:
        services.automation.set(name, form.get("to") == "on", form.get("reason", ""), who.name, now)
    except BadInput as error:
        return _page(services, page, str(error))
    return RedirectResponse("../automation", 303)


def _page(services: Services, page: Page, problem: str = "") -> Response:
    off = {switch.name: switch for switch in services.automation.off()}
    books = services.library.runbooks().values()
    return page.show(
        "automation.html",
        422 if problem else 200,
        killed=off.get(KILL_SWITCH),
        breaker=off.get(BREAKER),
        variable=services.automation.variable(),
        leases=services.automation.leases(),
        per_hour=services.library.limits().per_hour,
        runbooks=sorted(books, key=lambda book: (book.written, book.name)),
        problem=problem,
    )
