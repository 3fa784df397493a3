"""PrometheusDetector: the firing alerts of a Prometheus, and conditions of our own on its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from incident_response.clients.http_json import JsonHttp
from incident_response.clients.prometheus_api import PrometheusApi
from incident_response.sources.prometheus import PrometheusSource

from .base import Look, SourceDetector
from .parts import Part, look_at
from .prometheus_alerts import AlertsPart
from .prometheus_query import QueryPart
from .prometheus_rules import rules_known


class PrometheusDetector(SourceDetector[PrometheusSource]):
    """State-like: what stops firing is resolved. Whether that proves anything is for the rules to say."""

    kind = "prometheus"

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """All questions; one that fails does not touch what the others say."""
        source = self.source
        with JsonHttp(self.name, source.conn_id, self.connection(source.conn_id), self.seconds) as http:
            api = PrometheusApi(http, self.name)
            parts: list[Part] = [AlertsPart(api, source)] if source.alerts else []
            parts += [QueryPart(api, source, query) for query in source.queries]
            look = look_at(parts, self.name, self.kind, memory, now, http)
            if not source.alerts:
                return look
            # No part of the look: it neither fires nor fails.
            known = rules_known(api, memory.get("rules", {}).get("own", {}), http.left, now)
            return replace(look, memory={**look.memory, "rules": {"own": known}})
