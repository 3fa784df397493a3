"""The buttons: one command each, by the person who pressed it, then back to the page."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from incident_response.domain.errors import BadInput
from incident_response.domain.escalation import TOP_LEVEL, Cause
from incident_response.domain.severities import Severity
from incident_response.web.auth import Operator
from incident_response.web.context import Now, Services
from incident_response.web.forms import Form
from incident_response.web.routes.incident import numbered

router = APIRouter()


def _back(number: int, form: Mapping[str, str], place: str = "") -> Response:
    """303 to the page the button was on; relative, so that it works under any prefix."""
    if form.get("back") == "board":
        return RedirectResponse("../", 303)
    return RedirectResponse(f"../{number}{'#' + place if place else ''}", 303)


@router.post("/{key}/acknowledge")
def acknowledge(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Take it."""
    return _back(services.lifecycle.acknowledge(numbered(key), who.name, now).number, form)


@router.post("/{key}/investigate")
def investigate(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Say that somebody looks into it."""
    return _back(services.lifecycle.investigate(numbered(key), who.name, now).number, form)


@router.post("/{key}/assign")
def assign(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Name the owner: the one given, else whoever pressed the button."""
    owner = " ".join(form.get("owner", "").split()) or who.name
    if len(owner) > 100:
        raise BadInput("the owner's name is longer than 100 characters; nothing was changed")
    return _back(services.lifecycle.assign(numbered(key), owner, who.name, now).number, form)


@router.post("/{key}/escalate")
def escalate(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Page the next level, the level named, or the level that answers for a cause."""
    cause, to = _cause(form.get("cause", "")), _level(form.get("to", ""))
    reason = " ".join(form.get("reason", "").split())[:300]
    changed = services.lifecycle.escalate(numbered(key), who.name, now, to=to, cause=cause, reason=reason)
    return _back(changed.number, form)


@router.post("/{key}/severity")
def severity(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Raise or lower it."""
    wanted = severity_of(form.get("severity", ""))
    return _back(services.lifecycle.set_severity(numbered(key), wanted, who.name, now).number, form)


@router.post("/{key}/resolve")
def resolve(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """It is fixed; the text says how."""
    text = form.get("resolution", "")
    return _back(services.lifecycle.resolve(numbered(key), who.name, now, resolution=text).number, form)


@router.post("/{key}/reopen")
def reopen(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """It was not fixed."""
    reason = form.get("reason", "").strip()[:300] or f"reopened by {who.name}"
    return _back(services.lifecycle.reopen(numbered(key), who.name, now, reason=reason).number, form)


@router.post("/{key}/close")
def close(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """File it."""
    return _back(services.lifecycle.close(numbered(key), who.name, now).number, form)


@router.post("/{key}/say")
def say(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Two buttons, one text: an update goes to everybody who knows of the incident, a note stays here."""
    put = services.lifecycle.post_update if form.get("as") == "update" else services.lifecycle.add_note
    return _back(put(numbered(key), form.get("text", ""), who.name, now).number, form, "say")


@router.post("/{key}/remediate")
def remediate(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Run the incident's runbook, or the one named; the guard answers in the run."""
    runbook = form.get("runbook") or None
    return _back(services.remediations.request(numbered(key), who.name, now, runbook).incident, form)


@router.post("/{key}/approve")
def approve(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Say yes to the plan of a runbook, as it is shown."""
    return _decide(key, form, who, services, now, yes=True)


@router.post("/{key}/decline")
def decline(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Say no: nothing is changed, people are paged."""
    return _decide(key, form, who, services, now, yes=False)


@router.post("/{key}/review")
def review(key: str, form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Write a part of the report that only people know."""
    part, text = form.get("part", ""), form.get("text", "")
    return _back(services.lifecycle.review(numbered(key), part, text, who.name, now).number, form, "report")


def _decide(key: str, form: Form, who: Operator, services: Services, now: Now, *, yes: bool) -> Response:
    attempt = form.get("attempt", "")
    if not attempt.isdecimal() or len(attempt) > 6:
        raise BadInput("attempt: which one? Nothing was changed")
    services.approvals.decide(numbered(key), int(attempt), who.name, now, yes=yes)
    return _back(numbered(key), form, "remediation")


def severity_of(text: str) -> Severity:
    """A severity from a form. Raises BadInput."""
    if text not in Severity.__members__:
        raise BadInput(f"severity: {text!r} is none of P1, P2, P3, P4; nothing was changed")
    return Severity(text)


def _cause(text: str) -> Cause | None:
    if not text:
        return None
    try:
        return Cause(text)
    except ValueError:
        known = ", ".join(cause.value for cause in Cause)
        raise BadInput(f"cause: {text!r} is none of {known}; nothing was changed") from None


def _level(text: str) -> int | None:
    if not text:
        return None
    if text not in map(str, range(1, TOP_LEVEL + 1)):
        raise BadInput(f"to: {text!r} is no level; levels are 1 to {TOP_LEVEL}; nothing was changed")
    return int(text)
