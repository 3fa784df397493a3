"""The page of one incident."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import PlainTextResponse

from incident_response.domain.commands import REVIEW_PARTS
from incident_response.domain.errors import BadInput, IncidentNotFound
from incident_response.domain.exercises import fits
from incident_response.domain.incidents import Incident, number_of
from incident_response.domain.runbooks import Runbook
from incident_response.domain.severities import Severity
from incident_response.domain.timeline import EventKind
from incident_response.service.review import missing_parts
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.rendering import pretty
from incident_response.web.views.incident import causes, sheet
from incident_response.web.views.waiting import Waiting

router = APIRouter()

# Said after a report; a code and not a text in the address, so that no link can put words into our mouth.
_SAID = {
    "opened": "Reported. The clocks are running; whoever is on call is paged.",
    "counted": "Counted: this is the open incident of that cause.",
    "reopened": "Reopened: this incident had been resolved a short time ago.",
}


@router.get("/{key}")
def incident(key: str, services: Services, now: Now, page: ThePage, said: str = "") -> Response:
    """`42`, `INC-42` and `inc-42` name the same page."""
    number = numbered(key)
    with services.store.read() as tx:
        found = tx.get(number)
        runbook = services.library.runbook(found.runbook) if found.runbook else None
        policy = services.policies.of(tx, found)
        others = [book for book in services.library.runbooks().values() if _fits(book, found)]
        content = sheet(tx, found, policy, runbook, lambda signal: services.intake.classify(signal).service)
    return page.show(
        "incident.html",
        sheet=content,
        incident=found,
        others=others,
        causes=causes(),
        severities=list(Severity),
        parts=REVIEW_PARTS,
        missing=missing_parts(found),
        wait=Waiting.of(services).waits(found, now).value,
        said=_SAID.get(said, ""),
    )


def _fits(book: Runbook, incident: Incident) -> bool:
    """Another executable runbook that is made for such trouble."""
    another = not book.written and book.name != incident.runbook
    return another and incident.scenario in book.scenarios and fits(book, incident)


@router.get("/{key}/evidence/{position}")
def evidence(key: str, position: int, services: Services) -> Response:
    """One piece of evidence in full, as plain text."""
    with services.store.read() as tx:
        timeline = tx.timeline(numbered(key))
    if not 0 <= position < len(timeline) or timeline[position].kind is not EventKind.EVIDENCE:
        raise HTTPException(404, "There is no such evidence; the incident's page lists what there is.")
    event = timeline[position]
    parts = [f"{name}\n{'-' * len(name)}\n{pretty(value)}\n" for name, value in event.data.items()]
    return PlainTextResponse(f"{event.text}\n{event.at.isoformat()} {event.actor}\n\n" + "\n".join(parts))


@router.get("/{key}/exhibit")
def exhibit(key: str, place: str, services: Services) -> Response:
    """One exhibit, as plain text whatever it is: it came from outside."""
    found, content = services.evidence.read(numbered(key), place)
    name = found.name.encode("ascii", "replace").decode().replace('"', "'")
    return PlainTextResponse(
        content.decode("utf-8", "replace"), headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def numbered(key: str) -> int:
    """The number in an address. What is no number names no incident."""
    try:
        return number_of(key)
    except BadInput as error:
        raise IncidentNotFound(str(error)) from None
