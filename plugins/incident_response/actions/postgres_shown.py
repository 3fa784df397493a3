"""How sessions and statements are shown: without literals, short, and as a table for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from incident_response.domain.actions import Exhibit
from incident_response.domain.redaction import one_line, redact
from incident_response.domain.times import in_words
from incident_response.sql_text import without_literals

_NUMBER = re.compile(r"(?<![\w$.\"])\d[\w.]*")  # not those in names, nor $1
_MOST_BYTES = 64 * 1024
_UNSTORABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]")


def statement(sql: str | None) -> str:
    """A statement without its constants: they may be secrets, and say little about the trouble."""
    return one_line(" ".join(_NUMBER.sub("?", without_literals(sql or "")).split()), 500)


def seconds(length: float | None) -> str:
    """`12 min`."""
    return in_words(timedelta(seconds=max(0.0, length or 0.0)))


def counted(count: int, one: str, many: str = "") -> str:
    """`1 session`, `3 sessions`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b and 25 more`."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def sentence(text: str) -> str:
    """One line of at most 200 characters."""
    return one_line(text, 200)


def exhibit(name: str, rows: Sequence[Mapping[str, Any]], head: str = "") -> Exhibit:
    """Rows as a table, the widest text last; the last lines are kept when it is too long."""
    columns = list(rows[0]) if rows else ["(none)"]
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return Exhibit(name, _last("\n".join([head, *lines] if head else lines)))


def text_exhibit(name: str, lines: Sequence[str]) -> Exhibit:
    """Lines as they are."""
    return Exhibit(name, _last("\n".join(lines) or "(none)"))


def _last(text: str) -> str:
    """The last lines that have room, redacted."""
    clean = redact(_UNSTORABLE.sub(" ", text))
    kept = clean.encode()[-_MOST_BYTES:]
    return clean if len(kept) < _MOST_BYTES else kept.decode(errors="ignore").partition("\n")[2]


def _cell(value: Any) -> str:
    return "" if value is None else one_line(str(value), 500)
