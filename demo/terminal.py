"""What the demo says: one calm line for each thing that happens, with the second it happened in."""

from __future__ import annotations

import time
from datetime import datetime, timezone

_WIDTH = 140


class Terminal:
    """Lines on standard output. Seconds count from `start_story`; before that from the beginning."""

    def __init__(self) -> None:
        self._begin = datetime.now(timezone.utc)

    def start_story(self) -> None:
        """From here on seconds count anew."""
        self._begin = datetime.now(timezone.utc)

    def line(self, text: str, at: datetime | None = None) -> None:
        """A line with its second, cut to a screen's width; `at` is when it happened, without it now."""
        seconds = ((at or datetime.now(timezone.utc)) - self._begin).total_seconds()
        line = f"{seconds:6.1f} s  {text}"
        self.plain(line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…")

    def plain(self, text: str = "") -> None:
        """Text as it is."""
        print(text, flush=True)


def wait(seconds: float) -> None:
    """A pause between two looks."""
    time.sleep(seconds)
