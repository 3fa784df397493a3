"""A person reports an incident."""

from __future__ import annotations

from uuid import uuid4

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from incident_response.domain.errors import BadInput
from incident_response.domain.person_reports import person_report
from incident_response.domain.severities import Scenario, Severity
from incident_response.service.intake import Taken
from incident_response.web.auth import Operator
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.forms import Form
from incident_response.web.routes.commands import severity_of

router = APIRouter()


@router.get("/report")
def form(page: ThePage, service: str = "", title: str = "", scenario: str = "other") -> Response:
    """The form. `service`, `title` and `scenario` in the address fill it in, for links from elsewhere."""
    typed = {"title": title[:200], "service": service[:100], "severity": "P3", "description": ""}
    # The key makes one report of a form that is sent twice.
    return page.show(
        "person_report.html",
        severities=list(Severity),
        scenarios=list(Scenario),
        typed={**typed, "scenario": scenario},
        key=uuid4().hex,
        examples=_EXAMPLES,
    )


@router.post("/report")
def take(form: Form, who: Operator, services: Services, now: Now) -> Response:
    """Through the same door as every other signal."""
    signal = person_report(
        form.get("title", ""),
        severity_of(form.get("severity", "")),
        form.get("service", ""),
        form.get("description", ""),
        who.name,
        now,
        key=form.get("key", "")[:64],
        scenario=_scenario_of(form.get("scenario", "")),
    )
    receipt = services.intake.receive([signal], now)[0]
    if receipt.incident is None:
        return RedirectResponse("./", 303)  # sent twice, and dealt with in the meantime
    said = {Taken.COUNTED: "counted", Taken.REOPENED: "reopened"}.get(receipt.reason, "opened")
    return RedirectResponse(f"{receipt.incident}?said={said}", 303)


def _scenario_of(text: str) -> Scenario:
    """A page that was opened before the field was there sends none."""
    try:
        return Scenario(text or Scenario.OTHER.value)
    except ValueError:
        raise BadInput(f"scenario: {', '.join(one.value for one in Scenario)} is expected") from None


# Procedures §1.1, in a line each: what to choose.
_EXAMPLES = {
    Severity.P1: "complete outage, data loss, security breach — answered within 15 minutes",
    Severity.P2: "major function impaired, many users — within an hour",
    Severity.P3: "limited function, few users — within 4 hours",
    Severity.P4: "cosmetic, documentation — within a business day",
}
