"""Detectors and webhooks: who watches, and whether they see."""

from __future__ import annotations

from fastapi import APIRouter, Response

from incident_response.service.alert_rules import troubles
from incident_response.web.context import Now, Services, ThePage
from incident_response.web.views.detectors import watchers

router = APIRouter()


@router.get("/detectors")
def detectors(services: Services, now: Now, page: ThePage) -> Response:
    """Each detector's last look, and each system outside that may send."""
    with services.store.read() as tx:
        polls = tx.polls()
    found = watchers(polls, now)
    return page.show(
        "detectors.html",
        watchers=found,
        troubles=troubles(polls, now),
        integrations=services.integrations.all(),
    )
