"""What is wrong with one container at this moment, and how it is told."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from incident_response.clients.docker_facts import Facts
from incident_response.domain.redaction import one_line
from incident_response.domain.signals import Signal
from incident_response.domain.times import in_words
from incident_response.sources.docker_engine import Terms

from .docker_rows import Row

KIND = "docker"


def finding(
    alert: str,
    container: str,
    terms: Terms,
    summary: str,
    at: datetime,
    details: Mapping[str, Any],
    occurrence: str = "",
) -> Signal:
    """A signal about a container."""
    labels = {
        "alertname": alert,
        "container": container,
        "service": terms.service,
        "component": terms.component,
    }
    return Signal(KIND, labels, summary, at, occurrence=occurrence, details=dict(details))


def why_down(row: Row | None, facts: Facts | None, *, expected: bool, oom: bool = False) -> str:
    """The reason why a container does not do its work, empty when it does.

    `oom`: it is known that it ended because it was killed for memory.
    """
    if row is None or row.state == "removing":
        return "does not exist" if expected else ""
    if row.state == "paused":
        return "is paused"
    if row.state == "created":
        return _with("was created but never started", facts) if expected else ""
    if row.state == "dead":
        return _with("is dead: Docker could not remove it", facts)
    if row.state == "exited":
        return _with(f"exited with {_exit_words(row, facts, oom=oom)}", facts)
    return ""


def is_finished_job(row: Row, facts: Facts) -> bool:
    """True for a container that ran to its end and was never meant to run again."""
    return row.state == "exited" and row.exit_code == 0 and facts.policy == "no"


def why_unhealthy(row: Row, facts: Facts | None, terms: Terms, now: datetime) -> str:
    """What its health check says, empty when all is well or it has started a moment ago."""
    if row.state != "running" or facts is None or row.health not in ("unhealthy", "starting"):
        return ""
    age = now - facts.started_at if facts.started_at else None
    if age is not None and age < terms.start_grace:
        return ""
    if row.health == "unhealthy":
        return f"is unhealthy: its check failed {max(facts.failing_streak, 1)} times in a row"
    # A check that runs every few minutes has not said anything yet; only one that failed counts.
    if age is None or not facts.probe_code:
        return ""
    return f"is still starting after {in_words(age)} (limit {in_words(terms.start_grace)})"


def evidence(row: Row | None, facts: Facts | None) -> dict[str, Any]:
    """What Docker knows, for the incident's page."""
    found: dict[str, Any] = {}
    if row:
        found |= {"id": row.id, "image": one_line(row.image, 200), "status": row.status}
    if facts:
        found |= {"exit_code": facts.exit_code, "restart_policy": facts.policy, "restarts": facts.restarts}
        found |= {"oom_killed": facts.oom_killed}
        for name in ("started_at", "finished_at"):
            when: datetime | None = getattr(facts, name)
            found |= {name: when.isoformat(timespec="seconds")} if when else {}
        if facts.probe_code is not None:
            found |= {"check_exit_code": facts.probe_code, "check_said": one_line(facts.probe_output, 200)}
    return found


def _exit_words(row: Row, facts: Facts | None, *, oom: bool) -> str:
    code = facts.exit_code if facts else row.exit_code
    if code is None:
        return "an unknown code"
    words = f"code {code}"
    if oom:
        return f"{words}: killed, out of memory"
    if 128 < code < 128 + signals.NSIG:
        try:
            return f"{words} ({signals.Signals(code - 128).name})"
        except ValueError:
            return words
    return words


def _with(words: str, facts: Facts | None) -> str:
    return f"{words} ({one_line(facts.error, 120)})" if facts and facts.error else words
