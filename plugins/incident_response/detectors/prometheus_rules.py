"""Alerting rules that can never fire, as there are no series that they look at: `GET /api/v1/rules`, seldom.

Nothing is told of them, and not to know them is no failure: `doctor` and the page show what was found.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.clients.prometheus_api import PrometheusApi
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.redaction import one_line

from .promql_selectors import counts_nothing, is_alternative, selectors

_FIRST = timedelta(minutes=1)
_EVERY = timedelta(minutes=15)
_MOST = 200  # rules, and selectors asked for


def rules_known(
    api: PrometheusApi, memory: Mapping[str, Any], seconds: float, now: datetime
) -> Mapping[str, Any]:
    """Memory: `due_at`, and `mute`, by rule why it cannot fire. The very first look asks nothing."""
    due = memory.get("due_at")
    if due is None:
        return {"due_at": (now + _FIRST).isoformat(), "mute": {}}
    if now < datetime.fromisoformat(due):
        return memory
    try:
        mute = _mute(api, seconds)
    except SourceUnavailable:  # other products have no such list
        mute = memory.get("mute", {})
    return {"due_at": (now + _EVERY).isoformat(), "mute": mute}


def _mute(api: PrometheusApi, seconds: float) -> dict[str, str]:
    ends = time.monotonic() + seconds * 0.8
    there: dict[str, bool] = {}
    found: dict[str, str] = {}
    for name, expression in api.alerting_rules(seconds)[:_MOST]:
        if counts_nothing(expression):
            found[name] = "count(…) == 0 is never true, a count of nothing has no result; use absent(…)"
            continue
        wanted = selectors(expression)
        for selector in wanted:
            if selector not in there and len(there) < _MOST and time.monotonic() < ends:
                there[selector] = _exists(api, selector, max(0.1, ends - time.monotonic()))
        lacking = [selector for selector in wanted if not there.get(selector, True)]
        if lacking and (len(lacking) == len(wanted) or not is_alternative(expression)):
            found[name] = one_line(f"no series for {', '.join(lacking)}", 300)
    return found


def _exists(api: PrometheusApi, selector: str, seconds: float) -> bool:
    """Within the last hour; what cannot be asked is taken to exist."""
    try:
        series, _ = api.query(f"count(last_over_time({selector}[1h]))", seconds)
    except SourceUnavailable:
        return True
    return bool(series)
