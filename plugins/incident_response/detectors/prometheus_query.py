"""QueryPart: a condition on metrics, with how long it must hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.clients.prometheus_api import PrometheusApi, Series
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.sources.prometheus import PrometheusSource, ThresholdQuery

from .alert_signal import describe, fill
from .parts import Found

_GAP = 3  # intervals; after that nobody knows whether a condition held all the time


class QueryPart:
    """One query of the source. Each series beyond the limit for long enough is a signal."""

    def __init__(self, api: PrometheusApi, source: PrometheusSource, query: ThresholdQuery) -> None:
        self._api, self._source, self._query = api, source, query
        self.key = f"query {query.name}"

    def look(self, memory: Mapping[str, Any], was: frozenset[str], seconds: float, now: datetime) -> Found:
        """Memory: `since` is when each series was first seen beyond the limit, `at` the time of the look."""
        series, partial = self._api.query(self._query.query, seconds)
        known = self._since(memory, was, now)
        since: dict[str, datetime] = {}
        signals: dict[str, Signal] = {}
        for one in series:
            if math.isnan(one.value) or not self._query.beyond(one.value):
                continue
            signal = self._signal(one, known, now)
            since[signal.fingerprint] = signal.occurred_at
            if signal.fingerprint in was or now - signal.occurred_at >= self._query.holding:
                signals[signal.fingerprint] = signal
        if partial:
            since = {**known, **since}
        kept = {key: at.isoformat() for key, at in sorted(since.items())}
        return Found(list(signals.values()), partial=partial, memory={"since": kept, "at": now.isoformat()})

    def _since(self, memory: Mapping[str, Any], was: frozenset[str], now: datetime) -> dict[str, datetime]:
        """What was seen before, but after a long gap only that which fires already."""
        since = {key: datetime.fromisoformat(at) for key, at in memory.get("since", {}).items()}
        last = datetime.fromisoformat(memory["at"]) if "at" in memory else now
        longest = max(self._source.interval * _GAP, timedelta(minutes=1))
        return since if now - last <= longest else {key: at for key, at in since.items() if key in was}

    def _signal(self, series: Series, known: Mapping[str, datetime], now: datetime) -> Signal:
        query = self._query
        own = {name: text for name, text in series.labels.items() if name != "__name__"}
        labels = {**own, **{name: fill(text, own) for name, text in query.labels.items()}}
        labels["alertname"] = query.name
        if query.severity:
            labels["severity"] = query.severity
        labels = {name: text for name, text in labels.items() if text}
        value, limit = f"{series.value:g}", f"{query.limit:g}"
        sign = ">" if query.above is not None else "<"
        words = {**labels, "value": value, "limit": limit}
        summary = fill(query.summary, words) if query.summary else describe(labels)
        if "{value}" not in query.summary:
            summary = f"{summary}: {value} {sign} {limit}"
        details = {"value": value, "limit": f"{sign} {limit}", "query": one_line(query.query, 500)}
        if query.holding:
            details["for"] = str(query.holding)
        signal = Signal(self._source.kind, labels, one_line(summary), now, details=details)
        began = known.get(signal.fingerprint, now)
        return Signal(self._source.kind, labels, signal.summary, began, details=details)
