"""What people know better than grouping: two incidents that are one, and one that is two."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from incident_response.domain.errors import BadInput, IncidentNotFound
from incident_response.domain.incidents import number_of
from incident_response.web.auth import Operator
from incident_response.web.context import Now, Services
from incident_response.web.forms import Form
from incident_response.web.routes.incident import numbered

router = APIRouter()

PICKED = "signal-"  # how the names of the checkboxes begin; their values are fingerprint:source


@router.post("/{key}/merge")
def merge(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Another open incident takes over."""
    child, text = numbered(key), form.get("into", "").strip()
    if not text:
        raise BadInput("into: is empty; write the number of the incident that goes on, such as INC-42")
    parent = number_of(text)
    try:
        services.intake.gathering.merge_by_hand(child, parent, who.name, now)
    except IncidentNotFound:
        # Of the two it can only be the one that was typed: the other one has this page.
        with services.store.read() as tx:
            tx.get(child)
        raise BadInput(f"into: there is no incident INC-{parent}; nothing was changed") from None
    return RedirectResponse(f"../{child}", 303)


@router.post("/{key}/split")
def split(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """The signals that were ticked get an incident of their own."""
    number = numbered(key)
    picked = [value.partition(":") for name, value in form.items() if name.startswith(PICKED)]
    keys = {(source, fingerprint) for fingerprint, _, source in picked}
    if not keys:
        raise BadInput("no signal is ticked; tick those that are other trouble. Nothing was changed")
    services.intake.splitting.split(number, keys, who.name, now)
    return RedirectResponse(f"../{number}", 303)
