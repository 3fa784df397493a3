"""A person reports an incident: from the page, the trigger form in the Airflow UI, or the command line."""

from __future__ import annotations

from datetime import datetime

from .errors import BadInput
from .severities import Scenario, Severity
from .signals import Signal


def person_report(
    title: str,
    severity: Severity,
    service: str,
    description: str,
    by: str,
    now: datetime,
    key: str = "",
    scenario: Scenario = Scenario.OTHER,
) -> Signal:
    """The signal of one report. `scenario` is the kind of trouble, as far as the person knows it.

    `key` identifies it, so that a form sent twice is one report (default: its time).
    """
    title = " ".join(title.split())
    if not title:
        raise BadInput("title: is empty; say in one line what is wrong")
    if len(title) > 200:
        raise BadInput(f"title: has {len(title)} characters, 200 are kept; put the rest into the description")
    if len(description) > 20_000:
        raise BadInput(f"description: has {len(description)} characters, 20000 are kept")
    report = key or f"{by} {now.isoformat()}"
    kind = {} if scenario is Scenario.OTHER else {"scenario": scenario.value}
    return Signal(
        source="person",
        labels={
            "alertname": "PersonReport",
            "severity": severity.value,
            "service": service.strip()[:100] or "unknown",
            "report": report,
            **kind,
        },
        summary=title,
        occurred_at=now,
        occurrence=report,
        details={"description": description.strip(), "reported_by": by},
    )
