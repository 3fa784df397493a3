"""Patterns for tests that look at a few things on a server that many share."""

from __future__ import annotations

import re


def other_than(*texts: str) -> str:
    """A pattern for every text but these, the empty one too: there is no looking ahead."""
    begins = dict.fromkeys(text[:length] for text in texts for length in range(len(text) + 1))
    ways = []
    for begin in begins:
        known = re.escape(begin)
        if begin not in texts:
            ways.append(known)
        letters = sorted({one[len(begin)] for one in begins if one[:-1] == begin and one != begin})
        ways.append(f"{known}[^{''.join(map(re.escape, letters))}].*" if letters else f"{known}.+")
    return "|".join(ways)
