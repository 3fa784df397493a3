"""Grafana's webhook contact point: Alertmanager's form with links, values and an organisation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incident_response.domain.records import Integration
from incident_response.domain.signals import UNPROVEN, Signal

from .alertmanager import Alert, signal_of
from .fields import Form, fill, not_too_many, told


class GrafanaAlert(Alert):
    """One alert instance."""

    values: dict[str, Any] | None = None  # by the letter of the query
    valueString: str = ""
    dashboardURL: str = ""
    panelURL: str = ""
    silenceURL: str = ""
    imageURL: str = ""


class GrafanaNotification(Form):
    """A group of alerts. `version` is "1", and nothing hangs on it."""

    alerts: list[GrafanaAlert]
    receiver: str = ""
    externalURL: str = ""
    orgId: int = 0
    state: str = ""
    truncatedAlerts: int = 0


def signals(document: Any, by: Integration, now: datetime) -> list[Signal]:
    """The signals of a body. Raises Refusal."""
    not_too_many(document.get("alerts") if isinstance(document, dict) else None)
    sent = fill(GrafanaNotification, document)
    group = told(
        receiver=sent.receiver,
        grafana=sent.externalURL,
        organisation=sent.orgId or None,
        state=sent.state,
        left_out=f"{sent.truncatedAlerts} more alerts of this group" if sent.truncatedAlerts > 0 else "",
    )
    return [
        signal_of(alert, by, now, {**_links(alert), **_unproven(alert), **group}) for alert in sent.alerts
    ]


def _unproven(alert: GrafanaAlert) -> dict[str, Any]:
    """Grafana resolves an alert whose series or data is gone, whose rule is paused, changed or deleted, too.

    Only an end without a reason says that somebody has looked and found it well.
    """
    reason = alert.annotations.get("grafana_state_reason", "").strip()
    return {UNPROVEN: reason} if reason and alert.status == "resolved" else {}


def _links(alert: GrafanaAlert) -> dict[str, Any]:
    return told(
        values=alert.values,
        value_string=alert.valueString,
        generator=alert.generatorURL,
        dashboard=alert.dashboardURL,
        panel=alert.panelURL,
        silence=alert.silenceURL,
        image=alert.imageURL,
    )
