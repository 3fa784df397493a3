"""Sizes in files: `200 GB`, `64 MB`, `1048576`, as PostgreSQL writes and counts them (1 kB is 1024 bytes)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = ("b", "k", "m", "g", "t", "p")
_SIZE = re.compile(r"^\s*(\d{1,18}(?:\.\d{1,6})?)\s*([kmgtp]?)i?b?(?:ytes?)?\s*$", re.I)


def parse_size(value: object) -> int:
    """Bytes. Raises ValueError, which names the field at its caller's."""
    match = _SIZE.match(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise ValueError(f"{value!r} is no size; write for example 200 GB, 512 MB or 1048576 (bytes)")
    power = _UNITS.index(match.group(2).lower() or "b")
    return int(float(match.group(1)) * 1024**power)


def size_in_words(size: float) -> str:
    """`812 MB`, `1.5 GB`: as exact as a person needs it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if size < 999.5 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.4g} TB"


Size = Annotated[int, BeforeValidator(parse_size)]
