"""What containers print, out of the engine's answer: both streams in one, bounded in time and size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

_HEADER = 8  # bytes: the stream's number, three zeros, the length
_LONGEST = 1024 * 1024  # of one frame; the engine's have 32 kB at most


def pieces(chunks: Iterable[bytes], *, tty: bool) -> Iterator[bytes]:
    """The output as it comes. With a terminal it is sent as it is, without one in frames of two streams."""
    if tty:
        yield from chunks
        return
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        begin = 0
        while len(waiting) >= begin + _HEADER:
            length = int.from_bytes(waiting[begin + 4 : begin + _HEADER], "big")
            end = begin + _HEADER + length
            if length > _LONGEST:
                return  # no frames
            if len(waiting) < end:
                break
            if length:
                yield bytes(waiting[begin + _HEADER : end])
            begin = end
        del waiting[:begin]
    if len(waiting) > _HEADER:
        yield bytes(waiting[_HEADER:])  # the engine broke off


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
