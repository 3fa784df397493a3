"""Transactions over a state in memory: one writer at a time, readers see the last commit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from incident_response.domain.transactions import Transaction

from .automation import Automation
from .causes import Causes
from .clocks import Clocks
from .housekeeping import Housekeeping
from .incidents import Incidents
from .integrations import Integrations
from .outbox import Outbox
from .reading import Reading
from .silences import Silences
from .state import State


class MemoryTransaction(
    Incidents, Causes, Silences, Outbox, Clocks, Automation, Integrations, Reading, Housekeeping
):
    """Implements `transactions.Transaction`."""


class MemoryStore:
    """Implements `ports.Store`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._committed = State()
        self._writing = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read and write; what it did counts from the end of the block on, not at all after an exception."""
        with self._writing:
            state = self._committed.copy()
            yield MemoryTransaction(state)
            self._committed = state

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """The last commit, and never anything half done. What is written here is forgotten."""
        yield MemoryTransaction(self._committed.copy())
