"""Witnesses: who says directly how a thing is, when an alert says that it is down.

An alert is a rule's opinion of some series; Docker, a health page, Airflow itself and a connection are the
thing's own word. An alert that they contradict is trouble of its rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .severities import Severity

WITNESS = "witness"  # where the details of a signal keep what was heard
DIRECT = frozenset({"airflow_health", "docker", "http_health", "postgres"})  # sources that are witnesses


class Word(str, Enum):
    """What witnesses say of a service."""

    WELL = "well"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # nobody could be asked, or nobody answered in time


@dataclass(frozen=True)
class Witnessed:
    """The word, and who said it in which words."""

    word: Word
    text: str = ""


@dataclass(frozen=True)
class Doubt:
    """How far an alert is taken at its word."""

    ask: tuple[str, ...] = ("{service}",)  # services of which witnesses are asked
    needed: bool = False  # True: believed only when a witness agrees; False: unless one contradicts
    severity: Severity = Severity.P4  # of the incident about the rule
    runbook: str | None = None  # what is well is not repaired

    def doubts(self, word: Word) -> bool:
        """Whether the alert is trouble of its rule."""
        return word is not Word.BROKEN if self.needed else word is Word.WELL


def together(said: list[Witnessed]) -> Witnessed:
    """One word of many: who says that it is broken counts, so that nobody is paged late."""
    for word in (Word.BROKEN, Word.WELL):
        if agreeing := [one for one in said if one.word is word]:
            return Witnessed(word, "; ".join(dict.fromkeys(one.text for one in agreeing if one.text)))
    return Witnessed(Word.UNKNOWN, "; ".join(dict.fromkeys(one.text for one in said if one.text)))


def heard(source: str, details: Mapping[str, Any]) -> Word:
    """What witnesses said when this signal was taken in; a witness itself is believed."""
    if source in DIRECT:
        return Word.BROKEN
    kept = details.get(WITNESS)
    word = kept.get("word") if isinstance(kept, Mapping) else None
    return next((known for known in Word if known.value == word), Word.UNKNOWN)
