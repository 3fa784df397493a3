"""Loggers whose lines are lines: what an alert or another system says cannot forge one."""

from __future__ import annotations

import logging
from typing import Any

from .safe_text import visible


class _Lines(logging.Filter):
    """Makes the arguments of each record safe; the message itself is ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_safe, record.args))
        elif record.args:
            record.args = {name: _safe(value) for name, value in record.args.items()}
        return True


_LINES = _Lines()


def logger(name: str) -> logging.Logger:
    """The logger of a module."""
    found = logging.getLogger(name)
    found.addFilter(_LINES)  # once, however often
    return found


def _safe(value: Any) -> Any:
    return value if isinstance(value, (int, float)) or value is None else visible(str(value))
