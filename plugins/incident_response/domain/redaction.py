"""Redaction: one short line that can be stored, mailed and shown, without what looks like a secret."""

from __future__ import annotations

import re
from functools import lru_cache

from .safe_text import lines

MASK = "***"

# Every repetition is bounded: a megabyte of SQL in an exception must not hold up the failing task.
_NAME = (
    r"(?<![A-Za-z])[\w.-]{0,40}"
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
    r"[\w-]{0,40}"
)
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^\s\"',;&)}\]]+)"
_AUTHORIZATION = r"\b(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token|digest)\s+)?)[^\s\"',;}]+"
_PATTERNS = (
    # the scheme is kept, it may explain the failure: Authorization: Bearer ***
    (re.compile(_AUTHORIZATION, re.I), rf"\1{MASK}"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1 {MASK}"),
    # postgresql://user:password@host; a password may hold anything but an @ and a space
    (re.compile(r"(\w[\w+.-]{0,30}://[^\s/:@]*:)[^\s@]+@"), rf"\1{MASK}@"),
    # password=…, "api_key": "…", DB_TOKEN: …
    (re.compile(rf"({_NAME}[\"']?\s*[=:]\s*){_VALUE}", re.I), rf"\1{MASK}"),
    # --password hunter2
    (re.compile(rf"(--?{_NAME}\s+)(?!-)\S+", re.I), rf"\1{MASK}"),
    # JSON web tokens, AWS access keys, tokens of GitHub, GitLab and Slack speak for themselves
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,})"), MASK),
)
# No pattern matches without one of these: most texts have none, and a storm has very many texts.
_SIGNS = (
    "pass", "pwd", "secret", "token", "key", "credential", "authorization", "bearer", "basic", "eyj", "akia",
    "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "glpat-", "xox",
)  # fmt: skip
_SHORT = 300  # characters; longer texts are not remembered
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # refused by databases, no use to people


def redact(text: str) -> str:
    """`text` with the values of passwords, tokens, keys and authorization headers replaced by ***."""
    return _remembered(text) if len(text) <= _SHORT else _redacted(text)


def _redacted(text: str) -> str:
    if text.isascii() and _is_harmless(text.lower()):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


_remembered = lru_cache(2048)(_redacted)  # a storm says the same few things many thousand times


def _is_harmless(lowered: str) -> bool:
    """For ASCII only: elsewhere more than one letter counts as an `s` or a `k` when case is ignored."""
    for sign in _SIGNS:  # half of what any() takes, four times for each signal of a storm
        if sign in lowered:
            return False
    return not ("@" in lowered and "://" in lowered)


def one_line(text: str, limit: int = 300) -> str:
    """The first line that says something, redacted and cut, safe for every database."""
    return _remembered_line(text, limit) if len(text) <= _SHORT else _line(text, limit)


def _line(text: str, limit: int) -> str:
    head = lines(_UNSTORABLE.sub(" ", text[: limit * 10]))
    line = next((line for line in head.splitlines() if line.strip()), "")
    line = _redacted(" ".join(line.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


_remembered_line = lru_cache(2048)(_line)
