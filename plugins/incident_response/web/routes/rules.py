"""Rules: what a signal means, and a place to try one."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response

from incident_response import bootstrap
from incident_response.domain.errors import BadInput
from incident_response.domain.signals import Signal
from incident_response.web import label_text
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.views.trial import Trial, trial

router = APIRouter()

_LONGEST = 16_000  # characters of pasted labels


# GET, because it changes nothing: who may look may try, and an answer can be passed on as an address.
@router.get("/rules")
def rules(
    services: Services, now: Now, page: ThePage, labels: str | None = None, summary: str = ""
) -> Response:
    """The rules in order; with `labels`, what a signal that has them would do now."""
    found, problem = None, ""
    if labels is not None:
        try:
            found = _try(services, labels, summary, now)
        except BadInput as error:
            problem = str(error)
    return page.show(
        "rules.html",
        422 if problem else 200,
        rules=list(services.intake.rules()),
        runbooks=services.library.runbooks(),
        trial=found,
        problem=problem,
        typed={"labels": (labels or "")[:_LONGEST], "summary": summary[:300]},
    )


def _try(services: bootstrap.Services, labels: str, summary: str, now: datetime) -> Trial:
    if len(labels) > _LONGEST:
        raise BadInput(f"labels: more than {_LONGEST} characters")
    found = label_text.parse(labels)
    summary = " ".join(summary.split())[:300] or found.get("alertname", "A signal")
    signal = Signal("rules page", found, summary, now)
    return trial(services, signal, now)
