"""JSON and text as databases take them. What cannot be stored is replaced: no signal is lost for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

# Made once: json.dumps() makes one per call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """`text` without NUL and half surrogate pairs, which databases refuse."""
    if text.isascii():
        return text.replace("\x00", _REPLACEMENT) if "\x00" in text else text
    return text.replace("\x00", _REPLACEMENT).encode(errors="replace").decode()


def plain(value: Any) -> Any:
    """`value` as it comes back from a database: JSON values only, storable texts."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return clean(str(value))


def dumps(value: Any) -> str:
    """`value`, made plain before, as JSON text."""
    return _encode(value)


def document(value: Mapping[str, Any]) -> str:
    """`value` as JSON text, made plain where it has to be: most documents are plain already."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):  # no JSON value, not a finite number
        return _encode(plain(value))
    # NUL is written as an escape, a half surrogate pair is not ASCII.
    return text if text.isascii() and "\\u0000" not in text else _encode(plain(value))
