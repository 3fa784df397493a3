"""Why PostgreSQL gave no answer: by its SQLSTATE, which is the same in every language.

Texts are read only where there is none: of the driver, and of poolers, which speak English alone.
"""

from __future__ import annotations

import errno
import re
import socket
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


CUT = "08006"  # connection_failure
_CODES = {
    "53300": "exhausted",
    "28P01": "login", "28000": "login", "42501": "login",
    "3D000": "no database", "55000": "no database",
    "57P03": "starting",
    "57P01": "stopping", "57P02": "stopping", "57P04": "stopping",
    "57014": "timeout", "55P03": "timeout", "25P03": "timeout",
    "08003": "cut", CUT: "cut", "57P05": "cut",
}  # fmt: skip
_ERRORS = {
    errno.ECONNREFUSED: "refused", errno.ENOENT: "refused",
    errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable", errno.EHOSTDOWN: "unreachable",
    errno.ECONNRESET: "cut", errno.EPIPE: "cut", errno.ETIMEDOUT: "timeout",
}  # fmt: skip

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


_WORDS = {reason: words for reason, words, _ in _REASONS}


def refusal(message: str, secret: str = "", code: str | None = None, error: OSError | None = None) -> Refusal:
    """What the driver's message means; `secret` is never repeated.

    `code` is an SQLSTATE, `error` one of the network: they decide where they are known.
    """
    lines = [re.split(r" failed: ", line)[-1].strip() for line in message.splitlines() if line.strip()]
    # With several addresses behind one name, what a server said counts more than that another was not there.
    said = next((line for line in lines if re.match(r"[A-Z]+: ", line)), lines[0] if lines else message)
    shown = one_line(said.replace(secret, MASK) if len(secret) > 3 else said, 200)
    if (known := _CODES.get(code or "") or (_of_network(error) if error else "")) and (
        # One code for both: the server says `cannot connect now` while it starts and while it stops.
        code != "57P03" or not re.search(r"shutting down", said, re.I)
    ):
        return Refusal(known, _WORDS[known], shown)
    for reason, words, pattern in _REASONS:
        if re.search(pattern, said, re.I):
            return Refusal(reason, words, shown)
    return Refusal("other", "it does not answer", shown)


def _of_network(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "unknown host"
    if isinstance(error, TimeoutError):
        return "timeout"
    return _ERRORS.get(error.errno or 0, "cut" if isinstance(error, ConnectionResetError) else "")
