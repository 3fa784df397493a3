"""AlertsPart: what the alerting rules of a Prometheus have firing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.clients.prometheus_api import Alert, PrometheusApi
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.signals import Signal, fingerprint
from incident_response.sources.matchers import matches_any
from incident_response.sources.prometheus import PrometheusSource

from .alert_signal import alert_signal
from .external_labels import external_labels
from .parts import Found

_MOST = 500  # alerts of which it is remembered that they have always fired
VALUE = "__value__"  # stands for the value of an alert where labels are matched


class AlertsPart:
    """`GET /api/v1/alerts`."""

    key = "alerts"

    def __init__(self, api: PrometheusApi, source: PrometheusSource) -> None:
        self._api, self._source = api, source

    def look(self, memory: Mapping[str, Any], was: frozenset[str], seconds: float, now: datetime) -> Found:
        """Firing alerts with the labels they have in Alertmanager.

        A pending one does not fire yet. When it fired before, it is held: its condition is true, and after a
        restart or a short dip it only has to wait again.
        """
        alerts, partial = self._api.alerts(seconds)
        added: Mapping[str, str] = {}
        kept = dict(memory.get("external", {}))
        if alerts:
            added, kept = external_labels(kept, lambda: self._api.configuration(seconds), now)
        firing: list[Signal] = []
        pending: set[str] = set()
        for alert in alerts:
            # As Prometheus does it: an external label never replaces one of the alert.
            labels = {**added, **alert.labels}
            labels = {name: text for name, text in labels.items() if text}
            if matches_any(self._source.ignore, {**labels, VALUE: alert.value}):
                continue
            if alert.state == "firing":
                firing.append(self._signal(alert, labels, now))
            else:
                pending.add(fingerprint(labels))
        missing = was - pending - {signal.fingerprint for signal in firing}
        if missing and not partial:
            partial = self._just_started(seconds, now)
        own = {"external": kept, **_always(memory, firing, now, whole=not partial)}
        return Found(firing, frozenset(pending), partial, own)

    def _signal(self, alert: Alert, labels: Mapping[str, str], now: datetime) -> Signal:
        active_at = alert.activeAt
        return alert_signal(
            self._source.kind,
            labels,
            alert.annotations,
            active_at,
            now,
            value=alert.value[:100],
            active_at=active_at.isoformat() if active_at else "",
        )

    def _just_started(self, seconds: float, now: datetime) -> bool:
        """Whether its rules may not have been evaluated since it was started."""
        if not self._source.settle:
            return False
        try:
            return now - self._api.started_at(seconds) < self._source.settle
        except SourceUnavailable:
            return False  # other products do not say


def _always(
    memory: Mapping[str, Any], firing: Sequence[Signal], now: datetime, *, whole: bool
) -> Mapping[str, Any]:
    """When we first looked, and by fingerprint the names of the alerts that fired at each look since then."""
    names = {signal.fingerprint: signal.name for signal in firing[:_MOST]}
    if "first_look_at" not in memory:
        return {"first_look_at": now.isoformat(), "always": names}
    always = memory["always"]
    if whole:
        always = {print_: name for print_, name in always.items() if print_ in names}
    return {"first_look_at": memory["first_look_at"], "always": always}
