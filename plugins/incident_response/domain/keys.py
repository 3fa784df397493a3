"""Keys: what identifies a thing is never cut, because two things with one beginning would become one."""

from __future__ import annotations

import hashlib

_HASHED = 32  # hexadecimal digits: nobody finds two keys that share them


def bounded(key: str, most: int) -> str:
    """The key as it is; one of more than `most` characters as its beginning and a hash of all of it."""
    if len(key) <= most:
        return key
    digest = hashlib.sha256(key.encode(errors="replace")).hexdigest()[:_HASHED]
    return f"{key[: most - _HASHED - 1]}~{digest}"
