"""What containers print, out of the engine's answer: both streams in one, bounded in time and size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

_HEADER = 8  # bytes: the stream's number, three zeros, the length
_PIECE = 16 * 1024
_LONGEST = 1024 * 1024  # of one frame; the engine's have 32 kB at most


def pieces(raw: Any, *, tty: bool) -> Iterator[bytes]:
    """The output as it comes. With a terminal it is sent as it is, without one in frames of two streams."""
    while True:
        if tty:
            piece = raw.read(_PIECE)
        else:
            header = raw.read(_HEADER)
            length = int.from_bytes(header[4:], "big") if len(header) == _HEADER else 0
            if length > _LONGEST:
                return  # no frames
            piece = raw.read(length) if length else b""
            if not piece and len(header) == _HEADER:
                continue
        if not piece:
            return
        yield bytes(piece)


def last(found: Iterator[bytes], keep: int, most: int, left: Callable[[], float]) -> tuple[str, bool]:
    """The last `keep` bytes as text, and whether all was read: it gives up after `most` bytes, or when no
    time is left.
    """
    kept: deque[bytes] = deque()
    size = total = 0
    complete = True
    for piece in found:
        kept.append(piece)
        size += len(piece)
        total += len(piece)
        while size - len(kept[0]) >= keep:
            size -= len(kept.popleft())
        if total >= most or left() <= 0:
            complete = False
            break
    return b"".join(kept)[-keep:].decode(errors="replace"), complete
