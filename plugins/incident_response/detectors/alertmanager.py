"""AlertmanagerDetector: the alerts of an Alertmanager, with its silences and inhibitions honoured.

It is asked for all alerts at once and says of each: `active`, `suppressed` (silenced, inhibited or muted) or
`unprocessed` (not yet routed). Only active ones are told: the same list as with `?silenced=false&inhibited=
false&unprocessed=false`. The others are *held*: still firing, but not our business now. A held alert opens
nothing, and when it was told before, it does not resolve; that happens only when it is gone from the list
altogether. Two requests, one for each kind, would lose an alert that is silenced between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from incident_response.clients.http_json import JsonHttp
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.redaction import redact
from incident_response.domain.signals import Signal, fingerprint
from incident_response.sources.alertmanager import AlertmanagerSource
from incident_response.sources.matchers import matches_any

from .alert_signal import alert_signal
from .base import Look, SourceDetector

_ALL = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}


class _Receiver(BaseModel):
    name: str = ""


class _Status(BaseModel):
    state: str


class _Alert(BaseModel):
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    status: _Status
    startsAt: AwareDatetime | None = None
    generatorURL: str = ""
    receivers: list[_Receiver] = []


class _Uptime(BaseModel):
    uptime: AwareDatetime  # in spite of its name: when it was started


_Alerts = TypeAdapter(list[_Alert])


class AlertmanagerDetector(SourceDetector[AlertmanagerSource]):
    """State-like. Its signals have the same labels, hence fingerprints, as those of PrometheusDetector."""

    kind = "alertmanager"

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """Active alerts, and the fingerprints of those that are held."""
        source = self.source
        with JsonHttp(self.name, source.conn_id, self.connection(source.conn_id), self.seconds) as http:
            firing: list[Signal] = []
            held: set[str] = set()
            for alert in self._alerts(http):
                labels = {name: text for name, text in alert.labels.items() if text}
                if matches_any(source.ignore, labels):
                    continue
                if alert.status.state == "active":
                    firing.append(self._signal(alert, labels, now))
                else:
                    held.add(fingerprint(labels))
            fired = {signal.fingerprint for signal in firing}
            was = set(memory.get("firing", ()))
            complete = was <= fired | held or not self._just_started(http, now)
        kept = was & held if complete else was
        remembered = {"firing": sorted(fired | kept)}
        return Look(tuple(firing), complete=complete, held=held, memory=remembered)

    def _alerts(self, http: JsonHttp) -> list[_Alert]:
        params = dict(_ALL)
        if self.source.receiver:
            params["receiver"] = self.source.receiver
        answer = http.get("/api/v2/alerts", params)
        try:
            return _Alerts.validate_python(answer)
        except ValidationError:
            raise SourceUnavailable(
                f"{self.name}: the answer to /api/v2/alerts is not one of Alertmanager; check the URL of the "
                f"connection {self.source.conn_id!r}"
            ) from None

    def _signal(self, alert: _Alert, labels: Mapping[str, str], now: datetime) -> Signal:
        started = alert.startsAt
        return alert_signal(
            self.kind,
            labels,
            alert.annotations,
            started,
            now,
            starts_at=started.isoformat() if started else "",
            generator_url=redact(alert.generatorURL[:1000]),
            receivers=[receiver.name for receiver in alert.receivers[:10]],
        )

    def _just_started(self, http: JsonHttp, now: datetime) -> bool:
        """Whether it may not have been told again what it forgot when it was restarted."""
        if not self.source.settle:
            return False
        try:
            started = _Uptime.model_validate(http.get("/api/v2/status")).uptime
        except (SourceUnavailable, ValidationError):
            return False
        return now - started < self.source.settle
