"""What decides by chance what starts and what ends first, as the load of a machine does."""

from __future__ import annotations

from random import Random


class Dice(Random):
    """The same decisions for the same seed."""

    def begins(self) -> bool:
        """True when the next task begins before another one ends."""
        return self.random() < 0.6
