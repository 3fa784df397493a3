"""Why PostgreSQL gave no answer, read from the message: a failed connection has no SQLSTATE in libpq."""

from __future__ import annotations

import re
from dataclasses import dataclass

from incident_response.domain.redaction import MASK, one_line


@dataclass(frozen=True)
class Refusal:
    """`reason` is a word for machines, `words` say it to a person, `message` is the server's own line."""

    reason: str
    words: str
    message: str

    @property
    def exhausted(self) -> bool:
        """SQLSTATE 53300: the server answers, and has no connection left."""
        return self.reason == "exhausted"


# The first that matches. `exhausted` is SQLSTATE 53300 and what PgBouncer says of its own limit.
_REASONS = (
    ("exhausted", "it has no connection left",
     r"too many clients|too many connections for|connection slots are reserved|no more connections"),
    ("login", "it does not let us in",
     r"authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist"
     r"|not permitted to log in|permission denied for database"),
    ("no database", "the database is not there",
     r"database .* does not exist|not currently accepting connections"),
    ("starting", "it is starting",
     r"starting up|recovery mode|not yet accepting|hot standby mode is disabled"),
    ("stopping", "it is stopping", r"shutting down|administrator command|crash of another server process"),
    ("unknown host", "its host name is unknown",
     r"could not translate host name|name or service not known|name resolution"),
    ("refused", "nothing listens there", r"connection refused|no such file or directory"),
    ("unreachable", "its host cannot be reached",
     r"no route to host|network is unreachable|host is unreachable|host is down"),
    ("tls", "no encrypted connection comes about", r"\bssl\b|\btls\b|certificate"),
    ("timeout", "it does not answer in time",
     r"timeout expired|timed out|canceling statement due to|no answer within|still waits"),
    ("cut", "it cut the connection",
     r"closed the connection|connection reset|terminating connection|broken pipe|eof detected"
     r"|connection already closed|no connection to the server"),
)  # fmt: skip


def refusal(message: str, secret: str = "") -> Refusal:
    """What the driver's message means; `secret` is never repeated."""
    lines = [re.split(r" failed: ", line)[-1].strip() for line in message.splitlines() if line.strip()]
    # With several addresses behind one name, what a server said counts more than that another was not there.
    said = next((line for line in lines if re.match(r"[A-Z]+: ", line)), lines[0] if lines else message)
    shown = one_line(said.replace(secret, MASK) if len(secret) > 3 else said, 200)
    for reason, words, pattern in _REASONS:
        if re.search(pattern, said, re.I):
            return Refusal(reason, words, shown)
    return Refusal("other", "it does not answer", shown)
