"""A transaction: all parts over one connection."""

from __future__ import annotations

from ..schema_version import VERSION_TABLE
from .automation import Automation
from .board import Board
from .causes import Causes
from .changes import Changes
from .clocks import Clocks
from .effects import Effects
from .housekeeping import Housekeeping
from .incidents import Incidents
from .integrations import Integrations
from .outbox import Outbox
from .polls import Polls
from .reading import Reading
from .signals import Signals
from .silences import Silences

_VERSION = f"SELECT version_num FROM {{s}}{VERSION_TABLE}"


class SqlTransaction(
    Incidents,
    Causes,
    Changes,
    Signals,
    Silences,
    Outbox,
    Effects,
    Automation,
    Polls,
    Clocks,
    Integrations,
    Reading,
    Board,
    Housekeeping,
):
    """Implements `transactions.Transaction`."""

    def schema_version(self) -> str | None:
        """The schema's revision; raises when there is no schema."""
        return None if (found := self._value(_VERSION)) is None else str(found)
