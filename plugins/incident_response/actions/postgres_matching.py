"""Patterns of users and applications: `%` stands for anything, all else for itself."""

from __future__ import annotations

import re
from collections.abc import Iterable


def matches(name: str | None, patterns: Iterable[str]) -> str | None:
    """The first pattern that the name fits, in upper or lower case."""
    if not name:
        return None
    for pattern in patterns:
        whole = ".*".join(re.escape(part) for part in pattern.split("%"))
        if re.fullmatch(whole, name, re.I | re.S):
            return pattern
    return None
