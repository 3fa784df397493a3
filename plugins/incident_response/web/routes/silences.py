"""Silences: what is muted, by whom, until when; to make one and to end one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from incident_response import bootstrap
from incident_response.domain.errors import BadInput
from incident_response.service.silence_preview import SilencePreview
from incident_response.web.auth import Operator
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.forms import Form
from incident_response.web.rendering import Page
from incident_response.web.views.silences import LENGTHS, USUAL, shown

router = APIRouter()

_MATCHERS, _LONGEST = 20, 300  # lines of one silence, characters of a line


@router.get("/silences")
def silences(services: Services, now: Now, page: ThePage, service: str = "") -> Response:
    """What is muted. `service` in the address fills in the form: a regular expression."""
    matchers = f"service={service[:_LONGEST]}" if service else ""
    return _page(services, now, page, {"matchers": matchers, "reason": "", "length": USUAL})


@router.post("/silences")
def make(form: Form, who: Operator, services: Services, now: Now, page: ThePage) -> Response:
    """A new one, from now on, or with `look` only what it would mute now.

    What cannot be used comes back as it was typed, with the reason.
    """
    typed = {"length": USUAL, "matchers": "", "reason": "", **form}
    try:
        matchers = _matchers(form.get("matchers", ""))
        foreseen = services.intake.foresee_silence(matchers, now)
        if "look" in form:
            return _page(services, now, page, typed, foreseen=foreseen)
        length = _length(form.get("length", ""))
        services.intake.muting.add(matchers, form.get("reason", ""), who.name, length, now)
    except BadInput as error:
        return _page(services, now, page, typed, str(error))
    return RedirectResponse("silences", 303)


@router.post("/silences/{id}/end")
def end(id: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """End one now: what it holds is looked at again."""
    services.intake.muting.end(id, now)
    return RedirectResponse("../../silences", 303)


def _page(
    services: bootstrap.Services,
    now: datetime,
    page: Page,
    typed: Mapping[str, str],
    problem: str = "",
    foreseen: SilencePreview | None = None,
) -> Response:
    return page.show(
        "silences.html",
        422 if problem else 200,
        shown=shown(services, page.who.name, now),
        typed=typed,
        problem=problem,
        foreseen=foreseen,
        lengths=LENGTHS,
    )


def _matchers(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MATCHERS or any(len(line) > _LONGEST for line in lines):
        raise BadInput(
            f"matchers: {_MATCHERS} lines of {_LONGEST} characters are the most; nothing was changed"
        )
    return lines


def _length(text: str) -> timedelta:
    if text not in LENGTHS:
        raise BadInput("length: choose one of the list; nothing was changed")
    return timedelta(minutes=int(text))
