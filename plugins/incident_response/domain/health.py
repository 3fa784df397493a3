"""Finding: one thing that `doctor` looked at, and how to mend it when it is not right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """`ok` with `remedy` "" — or not ok, with what to do. `serious` ones are shown on the board."""

    check: str
    ok: bool
    text: str
    remedy: str = ""
    serious: bool = False
