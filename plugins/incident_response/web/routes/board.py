"""The board."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Response

from incident_response.domain.health import Finding
from incident_response.domain.records import NOT_CONFIGURED
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.views import board as view
from incident_response.web.views.waiting import Waiting

router = APIRouter()

_SHOWN = 200  # open incidents on one page; the rest is counted


@router.get("/")
def board(services: Services, now: Now, page: ThePage) -> Response:
    """Open incidents, what needs a person first; below, what was resolved in the last week."""
    waiting = Waiting.of(services)
    with services.store.read() as tx:
        totals = tx.totals(now)
        rows = tx.board(_SHOWN)
        lines = view.lines(rows, lambda incident: services.policies.of(tx, incident), waiting, now)
        # A storm's many incidents that became one must not push out what was really resolved.
        recent = [i for i in tx.recent(now - timedelta(days=7), 60) if i.merged_into is None][:10]
        beats = tx.heartbeats(now - timedelta(days=1))
        polls = tx.polls()
    return page.show(
        "board.html",
        lines=lines,
        totals=totals,
        hidden=max(totals.get("open", 0) - len(lines), 0),
        recent=recent,
        beat=beats[0] if beats else None,
        ticking=bool(beats) and now - beats[0].at <= timedelta(seconds=60),
        fine=sum(not poll.failures and not poll.error for poll in polls),
        failing=[poll for poll in polls if poll.error and not poll.error.startswith(NOT_CONFIGURED)],
        findings=_findings(services.doctor.banner(now)),
    )


def _findings(found: list[Finding]) -> list[Finding]:
    """Each thing once, however many checks stumbled over it."""
    return list({finding.text: finding for finding in found}.values())
