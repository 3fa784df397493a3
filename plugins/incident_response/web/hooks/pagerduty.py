"""PagerDuty's Events API v2, as its clients send it: trigger, acknowledge, resolve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import AfterValidator, Field, StringConstraints

from incident_response.domain.errors import IllegalTransition, IncidentNotFound
from incident_response.domain.keys import bounded
from incident_response.domain.ports import Store
from incident_response.domain.records import Integration, Sighting
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake
from incident_response.service.lifecycle import Lifecycle

from .fields import Form, Moment, fill, happened, line, told
from .keyed import INTEGRATION, ended, told_before
from .refusals import wrong

KEY = "dedup_key"  # the label
MOST_KEY = 255  # characters, as PagerDuty allows; of a longer one the hash is the label
SEVERITIES = {
    "critical": "P1",
    "error": "P2",
    "warning": "P3",
    "info": "P4",
}  # four words for four severities

Said = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _known(word: str) -> str:
    if word.lower() not in SEVERITIES:
        raise ValueError(f"must be one of {', '.join(SEVERITIES)}")
    return word.lower()


class Payload(Form):
    """PD-CEF, the common event format."""

    summary: Said
    source: Said
    severity: Annotated[str, AfterValidator(_known)]
    timestamp: Moment = None
    component: str | None = None
    group: str | None = None
    class_: str | None = Field(default=None, alias="class")
    custom_details: Any = None


class Event(Form):
    """One event. `routing_key` is the token and was looked at before."""

    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str | None = None
    payload: Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[Any] | None = None
    images: list[Any] | None = None


def read(document: Any, odd: list[str] | None = None) -> Event:
    """The event of a body; `odd` gets a line for what could not be read as it was. Raises Refusal."""
    # Clients repeat the payload when they resolve, not always in full: there it says nothing we need.
    ends = isinstance(document, dict) and document.get("event_action") in ("acknowledge", "resolve")
    event = fill(Event, {**document, "payload": None} if ends else document, [] if odd is None else odd)
    if event.event_action == "trigger" and event.payload is None:
        raise wrong(("payload: is missing; a trigger needs payload.summary, .source and .severity",))
    if ends and not event.dedup_key:
        raise wrong((f"dedup_key: is missing; {event.event_action} needs the key that trigger answered",))
    return event


def happen(
    event: Event,
    by: Integration,
    store: Store,
    intake: Intake,
    lifecycle: Lifecycle,
    now: datetime,
    odd: Sequence[str] = (),
) -> str:
    """Do what the event says; returns its dedup_key. What names nothing open changes nothing."""
    key = event.dedup_key or uuid4().hex
    if event.event_action == "trigger":
        intake.receive([triggered(event, key, by, now, odd)], now)
        return key
    key = bounded(key, MOST_KEY)
    if event.event_action == "resolve":
        intake.receive(ended(store, by, KEY, key, "", now), now)
    else:
        _acknowledge(told_before(store, by, KEY, key), by, store, lifecycle, now)
    return key


def triggered(event: Event, key: str, by: Integration, now: datetime, odd: Sequence[str] = ()) -> Signal:
    """The signal of a trigger."""
    payload = event.payload
    assert payload is not None
    labels = {
        "alertname": payload.class_ or "PagerDutyEvent",
        "service": payload.source,
        "severity": SEVERITIES[payload.severity],
        "component": payload.component or "",
        "group": payload.group or "",
        INTEGRATION: by.name,
        KEY: bounded(key, MOST_KEY),
    }
    return Signal(
        source=by.kind.source,
        labels={**by.labels, **{name: value for name, value in labels.items() if value}},
        summary=line(payload.summary),
        occurred_at=happened(payload.timestamp, now),
        details=told(
            custom_details=payload.custom_details,
            client=event.client,
            client_url=event.client_url,
            links=event.links,
            images=event.images,
            odd=list(odd),
        ),
    )


def _acknowledge(
    seen: Sequence[Sighting], by: Integration, store: Store, lifecycle: Lifecycle, now: datetime
) -> None:
    for number in sorted({sighting.incident for sighting in seen}):
        with store.read() as tx:
            waits = tx.get(number).status.needs_person
        if waits:
            try:
                lifecycle.acknowledge(number, f"pagerduty:{by.name}", now)
            except (IllegalTransition, IncidentNotFound):
                continue  # it was resolved or deleted a moment ago: nothing is left to acknowledge
