"""Alertmanager's webhook, version 4: exactly the alert's labels, so its fingerprint is Prometheus's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from incident_response.domain.records import Integration
from incident_response.domain.signals import STARTS_AT, Signal

from .fields import Form, Moment, Texts, fill, happened, labelled, line, not_too_many, told

Items = tuple[tuple[str, str], ...]  # of a mapping, in its order
_SHORT = 2000  # characters of one alert: longer ones are not remembered


class Alert(Form):
    """One alert."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(min_length=1)
    annotations: Texts = {}
    startsAt: Moment = None
    endsAt: Moment = None
    generatorURL: str = ""
    fingerprint: str = ""


class Notification(Form):
    """A group of alerts."""

    version: Literal["4"]
    alerts: list[Alert]
    groupKey: str = ""
    groupLabels: Texts = {}
    receiver: str = ""
    externalURL: str = ""
    truncatedAlerts: int = 0


def signals(document: Any, by: Integration, now: datetime) -> list[Signal]:
    """The signals of a body. Raises Refusal."""
    not_too_many(document.get("alerts") if isinstance(document, dict) else None)
    sent = fill(Notification, document)
    group = told(
        receiver=sent.receiver,
        group=sent.groupLabels,
        alertmanager=sent.externalURL,
        left_out=_left_out(sent.truncatedAlerts),
    )
    return [
        signal_of(alert, by, now, {**told(generator=alert.generatorURL), **group}) for alert in sent.alerts
    ]


def signal_of(alert: Alert, by: Integration, now: datetime, details: Mapping[str, Any]) -> Signal:
    """One alert as a signal; `details` beside its annotations."""
    firing = alert.status == "firing"
    labels, notes = labelled(alert.labels, by.labels), alert.annotations
    texts = tuple(labels.items()), tuple(notes.items())
    short = sum(len(name) + len(text) for items in texts for name, text in items) <= _SHORT
    summary, kept = _said(*texts) if short else _said.__wrapped__(*texts)
    return Signal(
        source=by.kind.source,
        labels=labels,
        summary=summary,
        occurred_at=happened(alert.startsAt if firing else alert.endsAt, now),
        firing=firing,
        details={**kept, **details, **_start(alert)},
    )


def _start(alert: Alert) -> dict[str, str]:
    """As the sender says it: it tells an end that was overtaken by nothing else from its beginning."""
    return {STARTS_AT: alert.startsAt.isoformat()} if alert.startsAt else {}


@lru_cache(maxsize=2048)
def _said(labels: Items, notes: Items) -> tuple[str, Mapping[str, Any]]:
    """The summary, and what is kept of the annotations: in a storm the same alerts come again and again."""
    found = dict(notes)
    words = (found.get(name, "") for name in ("summary", "message", "description"))
    return line(*words, _identity(dict(labels))), told(annotations=found)


def _identity(labels: Mapping[str, str]) -> str:
    others = ", ".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "alertname")
    return (
        f"{labels.get('alertname', 'An alert')} ({others})" if others else labels.get("alertname", "An alert")
    )


def _left_out(count: int) -> str:
    """Alertmanager cut the group to its `max_alerts`; the rest was never sent here."""
    return f"{count} more alerts of this group, cut off by the sender's max_alerts" if count > 0 else ""
