"""The data actions."""

from __future__ import annotations

from .data_backfill import Backfill
from .data_ingest import Ingest
from .data_ingested import Ingested
from .data_missing import FindMissing
from .data_rows import ShowRows
from .data_run import Run
from .kit import ActionType

ACTIONS: tuple[ActionType, ...] = (FindMissing, ShowRows, Run, Ingest, Backfill, Ingested)
