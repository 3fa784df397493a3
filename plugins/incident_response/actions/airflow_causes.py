"""Why a task failed, by the words of its log. One place for all patterns; the words are kept as proof."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from incident_response.domain.redaction import one_line

from .airflow_logs import telling
from .airflow_missing import names_missing


@dataclass(frozen=True)
class Clue:
    """A cause, and the words that gave it away."""

    cause: str
    words: str


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.I)


def _status(codes: str) -> str:
    """An HTTP status: a bare number could be anything, so a word beside it has to say what it is."""
    return (
        rf"\b(?:http|status|code|answered|returned|response|error)\b(?:\W+\w+){{0,2}}?\W{{0,3}}\b(?:{codes})\b"
        rf"|\b(?:{codes})\b\W{{1,3}}(?:client|server) error|\b(?:{codes}):[a-z]"
    )


_THROTTLED = _any(
    r"too many requests|too many 429|rate.?limit|\bthrottl|slow ?down|quota ?exceeded|RequestLimitExceeded"
    r"|rate exceeded"
)
# As the beginning of what was raised: in the middle of a sentence it is somebody else's.
_BUG = re.compile(
    r"^\s*(?:[\w.]+\.)?(?:SyntaxError|IndentationError|TabError|NameError|UnboundLocalError|IndexError|TypeError"
    r"|AttributeError|ZeroDivisionError|RecursionError|NotImplementedError|UndefinedError|TemplateSyntaxError"
    r")\s*(?::|$)"
    r"|syntax error at or near|error in your SQL syntax|SQL compilation error:\s*syntax"
)
_CODE = re.compile(r"^\s*(?:[\w.]+\.)?(?:ImportError|KeyError|AssertionError)\s*(?::|$)")
_FORBIDDEN = _any(_status("401|403"))


def _configured(line: str) -> bool:
    return names_missing(line) or _FORBIDDEN.search(line) is not None


# The first that matches a line is its cause; what is more special comes before what is more general.
_RULES: tuple[tuple[str, Callable[[str], Any]], ...] = (
    ("upstream_throttled", _THROTTLED.search),
    ("code", _BUG.search),
    ("configuration", _configured),
    (
        "zombie",
        _any(
            r"did not emit heartbeat",
            r"heartbeat (?:timeout|timed out|lost)|(?:lost|missing|no) heartbeats?\b",
            r"\bzombie\b",
        ).search,
    ),
    (
        "database",
        _any(
            r"too many (?:connections|clients)|remaining connection slots",
            r"\b(?:OperationalError|InterfaceError)\b|QueuePool limit",
            r"deadlock detected|canceling statement due to",
            r"server closed the connection unexpectedly|could not connect to server",
            r"the database system is",
        ).search,
    ),
    (
        "out_of_memory",
        _any(
            r"\bMemoryError\b|out of memory|OOM.?Killed",
            r"\bSIGKILL\b|\bsignal 9\b",
            r"\b(?:exit|exited|return)\w*\b(?:\W+\w+){0,3}?\W{0,3}(?<!\w)(?:-9|137)\b",
            # SIGTERM is how Airflow itself ends a task, and how a container is stopped.
            r"process terminated by signal(?!.*SIG(?!KILL))",
        ).search,
    ),
    ("upstream_throttled", _any(_status("429")).search),
    ("stuck", _any(r"\bAirflowTaskTimeout\b").search),
    (
        "upstream_unavailable",
        _any(
            _status("502|503|504"),
            r"bad gateway|service unavailable|gateway time-?out",
            r"timed out|\b\w*(?:Connect|Read)?Timeout(?:Error)?:",
            r"connection (?:refused|reset|aborted)|\bConnection\w*Error\b|RemoteDisconnected",
            r"max retries exceeded|name resolution|name or service not known",
            r"no route to host|network is unreachable",
        ).search,
    ),
    ("code", _CODE.search),
)
# Somebody ended the task: that its process was killed then is no lack of memory.
_ENDED = _any(r"shouldn.t be running anymore", r"state (?:of this instance )?has been externally set")


def clue(content: Any) -> Clue | None:
    """Why a task failed, by its log as Airflow gives it; None when no known words are in it."""
    lines = list(telling(content))
    was_ended = any(_ENDED.search(line) for line in lines)
    found = (one for line in lines if (one := of_line(line)))
    return next((one for one in found if not (was_ended and one.cause == "out_of_memory")), None)


def of_line(line: str) -> Clue | None:
    """The cause that one line tells."""
    for cause, tells in _RULES:
        if tells(line):
            return Clue(cause, one_line(line, 240))
    return None


def by_cause(clues: Iterable[Clue]) -> dict[str, str]:
    """Each cause once, with the first words that gave it away."""
    found: dict[str, str] = {}
    for one in clues:
        found.setdefault(one.cause, one.words)
    return found
