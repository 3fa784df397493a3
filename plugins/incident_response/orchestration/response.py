"""The response to one incident: what its DAG run does besides waiting."""

from __future__ import annotations

from typing import Any

from incident_response import bootstrap
from incident_response.domain.errors import BadInput, IllegalTransition, IncidentNotFound, RunbookNotFound
from incident_response.domain.exercises import fits
from incident_response.domain.incidents import Incident
from incident_response.domain.logs import logger
from incident_response.domain.records import Sighting
from incident_response.domain.redaction import one_line

from . import compat, work

log = logger(__name__)

_BY = "system:triage"


def triage(**context: Any) -> str:
    """Say what is affected, and ask for the runbook, once a cycle. The clock then starts its DAG run."""
    found = _incident(context)
    if not found.status.is_open:
        raise compat.SkipNow(f"{found.key} is {found.status.value} already; nothing was done")
    if work.remediations_of_cycle(found):
        return f"{found.key}: its runbook was asked for before"
    services, now = bootstrap.services(), bootstrap.now()
    with services.store.read() as tx:
        sightings = tx.sightings(found.number)
    # The key and not a look at the timeline: two tries of this task must not tell the same story twice.
    if services.remediations.begin_effect(f"triage:{context['run_id']}", found.number, _BY, now) is None:
        title, data = affected(found, sightings)
        services.remediations.evidence(found.number, title, data, _BY, now)
    if not found.runbook:
        return f"{found.key} has no runbook: people repair it"
    book = services.library.runbook(found.runbook)
    if book is not None and (book.written or not fits(book, found)):
        reason = f"people follow the written runbook {book.name}"
        if not book.written:
            reason = f"{book.name} is for exercises only, and this is none"
        if not found.pages:  # the grace before the first page is for a repair, and nothing repairs here
            services.lifecycle.escalate(found.number, _BY, now, to=found.level, reason=reason)
        return f"{found.key}: {reason}"
    try:
        asked = services.remediations.request(found.number, _BY, now)
    except RunbookNotFound as error:
        why = services.library.why_not(found.runbook)
        reason = one_line(f"{found.runbook} is broken and does nothing: {why}" if why else str(error), 300)
        if not found.pages:  # the grace before the first page is for a repair that will not come
            services.lifecycle.escalate(found.number, _BY, now, to=found.level, reason=reason)
        else:
            services.remediations.evidence(found.number, reason, {}, _BY, now)
        return reason
    except IllegalTransition as error:  # resolved a moment ago
        raise compat.SkipNow(str(error)) from error
    return f"asked for {asked.run_id}"


def report(**context: Any) -> str:
    """The incident report as it can be written now; the page always has the current one."""
    text = bootstrap.report(_incident(context).number)
    log.info("%s", text)
    return "written to the log; the incident's page has it for download"


def affected(found: Incident, sightings: list[Sighting] | Any) -> tuple[str, dict[str, Any]]:
    """One line for the timeline, and the facts behind it."""
    firing = [sighting for sighting in sightings if sighting.firing]
    names = sorted({_name(sighting, found) for sighting in firing} or {found.service})
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    count = sum(sighting.count for sighting in firing)
    text = f"Triage: {found.scenario.value.replace('_', ' ')}, affected: {shown} ({count} signals)"
    return text, {"affected": names[:100], "signals": count, "sources": sorted({s.source for s in firing})}


def _name(sighting: Sighting, found: Incident) -> str:
    labels = sighting.labels
    place = (labels.get("dag_id") or labels.get("service") or found.service, labels.get("task_id"))
    return ".".join(part for part in place if part)


def _incident(context: Any) -> Incident:
    """The run's incident. A run without one, or with an unknown one, fails at once and does nothing."""
    try:
        return work.incident(work.number_in((context["dag_run"].conf or {}).get("incident")))
    except (BadInput, IncidentNotFound) as error:
        raise compat.FailNow(str(error)) from error
