"""Plain JSON: support tickets, user reports, scripts."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, StringConstraints

from incident_response.domain.keys import bounded
from incident_response.domain.ports import Store
from incident_response.domain.records import Integration
from incident_response.domain.severities import Scenario
from incident_response.domain.signals import Signal

from .fields import Form, Moment, Texts, fill, happened, line, told
from .keyed import INTEGRATION, ended
from .refusals import wrong

KEY = "report"  # the label; the rule for reports of people makes one incident of each value
SEVERITIES = {severity.lower(): severity for severity in ("P1", "P2", "P3", "P4")}
SEVERITIES |= {"critical": "P1", "high": "P2", "error": "P2", "medium": "P3", "warning": "P3"}
SEVERITIES |= {"low": "P4", "info": "P4"}


def _severity(word: str) -> str:
    found = SEVERITIES.get(word.strip().lower())
    if found is None:
        raise ValueError("must be P1, P2, P3 or P4, or critical, high, medium or low")
    return found


Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]


class Plain(Form):
    """One signal. Unknown fields are refused: a misspelt `severity` would page the wrong people."""

    model_config = ConfigDict(extra="forbid")

    title: str = ""
    summary: str = ""
    severity: Annotated[str, AfterValidator(_severity)] | None = None
    scenario: Scenario | None = None
    service: Stripped = ""
    status: Literal["firing", "resolved"] = "firing"
    key: Stripped = ""
    labels: Texts = {}
    description: str = ""
    occurred_at: Moment = None
    reporter: str = ""


def signals(document: Any, by: Integration, store: Store, now: datetime) -> list[Signal]:
    """The signals of a body; none when it ends what is not open. Raises Refusal."""
    odd: list[str] = []
    sent = fill(Plain, document, odd)
    title = " ".join((sent.title or sent.summary).split())
    if not title and not (sent.key and sent.status == "resolved"):
        raise wrong(("title: is missing; say in one line what is wrong",))
    key = bounded(sent.key, 200) or _derived(title, sent)
    if sent.status == "resolved":
        return ended(store, by, KEY, key, title and line(title), happened(sent.occurred_at, now))
    own = {
        "service": bounded(sent.service, 100),
        "severity": sent.severity or "",
        INTEGRATION: by.name,
        KEY: key,
    }
    own |= {"scenario": sent.scenario.value} if sent.scenario else {}
    return [
        Signal(
            source=by.kind.source,
            labels={
                "alertname": "PersonReport",
                **by.labels,
                **sent.labels,
                **{name: value for name, value in own.items() if value},
            },
            summary=line(title),
            occurred_at=happened(sent.occurred_at, now),
            details=told(description=_pieces(sent.description), reported_by=sent.reporter, odd=odd),
        )
    ]


def _derived(title: str, sent: Plain) -> str:
    """Without a key the words are the identity: a request that is sent again is the same report."""
    named = [title, sent.service, *(f"{name}={sent.labels[name]}" for name in sorted(sent.labels))]
    return hashlib.sha256("\x00".join(named).encode()).hexdigest()[:16]


def _pieces(description: str) -> str | list[str]:
    """Evidence is cut at 2000 characters; a long story is kept in pieces."""
    if len(description) <= 2000:
        return description
    return [description[at : at + 2000] for at in range(0, len(description), 2000)]
