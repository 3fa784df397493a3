"""What is remembered of one check between looks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.times import UTC
from incident_response.sources.data_checks import AnyCheck

from .data_history import History
from .data_judgement import Verdict

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Kept:
    """Frozen, JSON by `kept`. What fires goes on firing until a query has shown that it ended."""

    at: datetime = NEVER  # the last try
    state: str = "unknown"  # green, yellow, red: of the last answer
    value: Any = None
    red: int = 0  # times in a row
    broken: int = 0  # times in a row without an answer
    error: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)  # what fires: alert, words, since, value, evidence
    history: History = field(default_factory=History)

    def due(self, now: datetime, every: timedelta | None, slack: timedelta, patience: int) -> bool:
        """Whether its turn has come; a query that failed is tried again at once until that is told."""
        if every is None or self.at == NEVER or 0 < self.broken < patience:
            return True
        return now - self.at >= every - slack

    def answered(self, verdict: Verdict, failures: int, now: datetime) -> Kept:
        """After an answer."""
        red = self.red + 1 if verdict.fires else 0
        found: Mapping[str, Any] = {}
        if red and (red >= failures or self.found):
            found = {
                "alert": verdict.alert,
                "words": verdict.words,
                "since": self._since(verdict, now).isoformat(),
                "checked_at": now.isoformat(),
                "state": verdict.state,
                "value": verdict.value,
                **verdict.evidence,
            }
        return Kept(now, verdict.state, verdict.value, red, found=found, history=verdict.history)

    def failed(self, why: str, now: datetime) -> Kept:
        """After none: what was known stays known."""
        return replace(self, at=now, broken=self.broken + 1, error=why)

    def _since(self, verdict: Verdict, now: datetime) -> datetime:
        if verdict.since is not None:
            return min(verdict.since, now)
        same = self.found.get("alert") == verdict.alert
        return datetime.fromisoformat(self.found["since"]) if same else now

    def kept(self, check: AnyCheck) -> dict[str, Any]:
        """For the cursor."""
        return {
            "of": _digest(check),
            "at": self.at.isoformat(),
            "state": self.state,
            "value": self.value,
            "red": self.red,
            "broken": self.broken,
            "error": self.error,
            "found": dict(self.found),
            "history": self.history.kept,
        }

    @classmethod
    def of(cls, memory: Mapping[str, Any], check: AnyCheck) -> Kept:
        """From a cursor; a check that was changed is a new one."""
        if memory.get("of") != _digest(check):
            return cls()
        return cls(
            datetime.fromisoformat(memory["at"]),
            memory["state"],
            memory["value"],
            memory["red"],
            memory["broken"],
            memory["error"],
            memory["found"],
            History.of(memory["history"]),
        )


def _digest(check: AnyCheck) -> str:
    """Of what is asked, not of its limits: a history is worth keeping when a limit is changed."""
    told = check.model_dump(mode="json", include={"kind", "sql", "parameters"})
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
