"""The postgres actions."""

from __future__ import annotations

from .kit import ActionType
from .postgres_connections import Connections
from .postgres_ending import Cancel, Terminate, Unblock
from .postgres_locks import Locks
from .postgres_reindex import Reindex
from .postgres_responsive import Responsive
from .postgres_slow import SlowQueries
from .postgres_status import Status
from .postgres_tables import Tables
from .postgres_upkeep import Analyze, Vacuum

ACTIONS: tuple[ActionType, ...] = (
    Status, Connections, Locks, SlowQueries, Tables, Cancel, Terminate, Unblock, Analyze, Vacuum, Reindex,
    Responsive,
)  # fmt: skip
