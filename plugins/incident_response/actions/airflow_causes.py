"""Why a task failed, by the words of its log. One place for all patterns; the words are kept as proof."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from incident_response.domain.redaction import one_line

from .airflow_logs import telling


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
        rf"|\b(?:{codes})\b\W{{1,3}}(?:client|server) error"
    )


# The first that matches a line is its cause; what is more special comes before what is more general.
_RULES = (
    (
        "configuration",
        _any(
            r"conn_?id\W+\S+ (?:isn.t|is not) defined",
            r"(?:CONNECTION|VARIABLE)_NOT_FOUND",
            r"AirflowNotFoundException",
            r"variable \S+ does not exist",
            r"permission denied|PermissionError|access ?denied",
            r"authentication failed|authentication error|invalid (?:credentials|token|api.?key)",
            _status("401|403"),
        ),
    ),
    (
        "zombie",
        _any(
            r"did not emit heartbeat",
            r"heartbeat (?:timeout|timed out|lost)|(?:lost|missing|no) heartbeats?\b",
            r"\bzombie\b",
        ),
    ),
    (
        "database",
        _any(
            r"too many (?:connections|clients)|remaining connection slots",
            r"\b(?:OperationalError|InterfaceError)\b|QueuePool limit",
            r"deadlock detected|canceling statement due to",
            r"server closed the connection unexpectedly|could not connect to server",
            r"the database system is",
        ),
    ),
    (
        "out_of_memory",
        _any(
            r"\bMemoryError\b|out of memory|OOM.?Killed",
            r"\bSIGKILL\b|\bsignal 9\b",
            r"\b(?:exit|exited|return)\w*\b(?:\W+\w+){0,3}?\W{0,3}(?<!\w)(?:-9|137)\b",
            # SIGTERM is how Airflow itself ends a task, and how a container is stopped.
            r"process terminated by signal(?!.*SIG(?!KILL))",
        ),
    ),
    (
        "upstream_throttled",
        _any(_status("429"), r"too many requests|too many 429", r"rate limit|\bthrottl"),
    ),
    ("stuck", _any(r"\bAirflowTaskTimeout\b")),
    (
        "upstream_unavailable",
        _any(
            _status("502|503|504"),
            r"bad gateway|service unavailable|gateway time-?out",
            r"timed out|\b\w*(?:Connect|Read)?Timeout(?:Error)?:",
            r"connection (?:refused|reset|aborted)|\bConnection\w*Error\b|RemoteDisconnected",
            r"max retries exceeded|name resolution|name or service not known",
            r"no route to host|network is unreachable",
        ),
    ),
    (
        "code",
        # As the beginning of what was raised: in the middle of a sentence it is somebody else's.
        re.compile(
            r"^\s*(?:[\w.]+\.)?(?:ImportError|ModuleNotFoundError|SyntaxError|IndentationError|TabError|NameError"
            r"|UnboundLocalError|KeyError|IndexError|TypeError|AttributeError|ZeroDivisionError|RecursionError"
            r"|NotImplementedError|AssertionError|UndefinedError|TemplateSyntaxError)\s*(?::|$)"
        ),
    ),
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
    for cause, pattern in _RULES:
        if pattern.search(line):
            return Clue(cause, one_line(line, 240))
    return None


def by_cause(clues: Iterable[Clue]) -> dict[str, str]:
    """Each cause once, with the first words that gave it away."""
    found: dict[str, str] = {}
    for one in clues:
        found.setdefault(one.cause, one.words)
    return found
