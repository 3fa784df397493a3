"""Findings of the detector of log lines, as signals. No secret of a log line leaves this room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.business_hours import Span
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.sources.loki import LogQuery

from .logql import Count, Line

SOURCE = "loki"
KEPT = "kept_from_earlier"  # in the details of what was not looked at anew
_ESCAPED_QUOTE = re.compile(r"\\+\"")


def finding(
    query: LogQuery, count: Count, now: datetime, shown: Sequence[Line] = (), *, unseen: str = ""
) -> Signal:
    """More lines than there may be. `unseen` says why no line is shown."""
    said = [{"at": line.at.isoformat(timespec="milliseconds"), "line": sample(line.text)} for line in shown]
    window = str(Span(elapsed=query.window))
    counted = f"{count.lines:g} log line{'' if count.lines == 1 else 's'}"
    summary = f"{_service(query, count)}: {counted} of {query.name} in {window} (limit {query.at_least})"
    details: dict[str, Any] = {
        "query": one_line(query.query),
        "count": count.lines,
        "limit": query.at_least,
        "ends_below": query.clears_below,
        "window": window,
        "lines": said,
    }
    if unseen:
        details["lines_missing"] = unseen
    latest = f"; latest: {said[0]['line'][:120]}" if said else ""
    return Signal(SOURCE, _labels(query, count), summary + latest, now, details=details)


def kept(query: LogQuery, value: str, lines: float, now: datetime) -> Signal:
    """An earlier finding of a query that gets no answer now: it is neither told again nor resolved."""
    found = finding(query, Count(value, lines), now)
    return Signal(SOURCE, found.labels, found.summary, now, details={KEPT: True})


def blind(detector: str, query: LogQuery, problem: str, failures: int, now: datetime) -> Signal:
    """A query that gets no answer while others do: what it looks for may happen unseen."""
    labels = {
        "alertname": "DetectorFailing",
        "detector": f"{detector}/{query.name}",
        "service": detector,
        "component": "infrastructure",
    }
    summary = f"The query {query.name} of {detector} got no answer for {failures} looks or more: {problem}"
    details = {"query": one_line(query.query), "problem": problem}
    return Signal(SOURCE, labels, summary, now, details=details)


def sample(text: str) -> str:
    """A log line for people: one line, redacted, cut."""
    # JSON in JSON hides a secret from the redaction behind its backslashes.
    return one_line(_ESCAPED_QUOTE.sub('"', text[:20_000]))


def _service(query: LogQuery, count: Count) -> str:
    return one_line(query.service or count.value, 100) or "unknown"


def _labels(query: LogQuery, count: Count) -> dict[str, str]:
    labels = {
        "alertname": query.alertname,
        "service": _service(query, count),
        "query": query.name,
        "component": query.component,
    }
    if query.severity:
        labels["severity"] = query.severity
    return labels
