"""The demo's folder: one demo at a time, and each starts fresh."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

_LOCK = ".incident-response-demo"


class FolderError(Exception):
    """The folder cannot be used; the message says what to do."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, empty and ours until the end. What a demo leaves stays there until the next one starts.

    A folder that no demo has made is refused: nothing that is not ours is ever deleted.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is no folder; give another one: --folder …")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _LOCK).exists():
        raise FolderError(f"{folder} has files that no demo has made; give another one: --folder …")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            # Held by the process, not by the file: a demo that was killed does not block the next one.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(
                f"another demo runs in {folder}; end it with Ctrl-C, or give this one --folder …"
            ) from None
        _empty(folder)
        yield folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
