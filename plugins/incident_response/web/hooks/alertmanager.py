"""Alertmanager's webhook, version 4: exactly the alert's labels, so its fingerprint is Prometheus's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator

from incident_response.domain.records import Integration
from incident_response.domain.signals import STARTS_AT, Signal

from .fields import Form, Moment, Texts, each, fill, happened, labelled, line, not_too_many, told

Items = tuple[tuple[str, str], ...]  # of a mapping, in its order
_SHORT = 2000  # characters of one alert: longer ones are not remembered


class Alert(Form):
    """One alert."""

    status: Literal["firing", "resolved"]
    labels: Texts = {}
    annotations: Texts = {}
    startsAt: Moment = None
    endsAt: Moment = None
    generatorURL: str = ""
    fingerprint: str = ""


def _version(value: object) -> object:
    """A template of somebody's may have made a number of it."""
    return str(value) if isinstance(value, int) else value


class Notification(Form):
    """A group of alerts."""

    version: Annotated[Literal["4"], BeforeValidator(_version)]
    alerts: list[Any]  # each is read by itself: an odd one must not cost the others
    groupKey: str = ""
    groupLabels: Texts = {}
    receiver: str = ""
    externalURL: str = ""
    truncatedAlerts: int = 0


Known = TypeVar("Known", bound=Alert)


def signals(document: Any, by: Integration, now: datetime, unread: list[str] | None = None) -> list[Signal]:
    """The signals of a body; `unread` gets a line for each alert that cannot be read. Raises Refusal."""
    not_too_many(document.get("alerts") if isinstance(document, dict) else None)
    sent = fill(Notification, document, [])
    group = told(
        receiver=sent.receiver,
        group=sent.groupLabels,
        alertmanager=sent.externalURL,
        left_out=_left_out(sent.truncatedAlerts),
    )

    def read(item: Any, odd: list[str]) -> Signal:
        alert = alert_of(Alert, item, by, odd)
        return signal_of(alert, by, now, {**told(generator=alert.generatorURL), **group})

    return each(sent.alerts, read, unread)


def alert_of(form: type[Known], item: Any, by: Integration, odd: list[str]) -> Known:
    """One alert of a group. Raises Refusal.

    A state that is unknown counts as firing: rather one page too many. Without labels it is the sender's.
    """
    if isinstance(item, dict) and item.get("status") not in ("firing", "resolved"):
        item = {**item, "status": "firing"}
        odd.append("status: neither firing nor resolved, taken as firing")
    alert = fill(form, item, odd)
    if alert.labels:
        return alert
    odd.append("labels: there are none")
    labels = {"alertname": "AlertWithoutLabels", "integration": by.name}
    return alert.model_copy(update={"labels": labels})


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
