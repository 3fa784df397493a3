"""The static files: a fixed list read at the start, so no path from outside ever reaches the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One static file."""

    kind: str
    content: bytes


class Assets:
    """All static files of a folder by name; `digest` changes when any of them does."""

    def __init__(self, folder: Path) -> None:
        files = sorted(path for path in folder.iterdir() if path.suffix in _KINDS)
        self._files = {path.name: Asset(_KINDS[path.suffix], path.read_bytes()) for path in files}
        content = b"".join(asset.content for asset in self._files.values())
        self.digest = hashlib.sha256(content).hexdigest()[:12]

    def get(self, name: str) -> Asset | None:
        """The file of this name, None when there is none."""
        return self._files.get(name)
