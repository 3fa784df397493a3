"""Topology: what depends on what, as the file says and as Airflow knows of its DAGs."""

from __future__ import annotations

import time
from collections.abc import Callable

from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.grouping import Grouping
from incident_response.domain.logs import logger
from incident_response.domain.ports import Store

log = logger(__name__)

EDGES = "airflow_edges"  # the detector whose cursor holds them
_FRESH = 60.0  # seconds


class Topology:
    """The grouping in force. Edges between DAGs are read from the store, at most once a minute."""

    def __init__(self, grouping: Callable[[], Grouping], store: Store) -> None:
        self._grouping, self._store = grouping, store
        self._base: Grouping | None = None
        self._known: Grouping | None = None
        self._edges: frozenset[tuple[str, str]] = frozenset()
        self._read_at = float("-inf")

    def current(self) -> Grouping:
        """Without Airflow's edges while they are not known: then only fewer incidents are grouped."""
        base, now = self._grouping(), time.monotonic()
        if now - self._read_at >= _FRESH:
            self._read_at = now
            edges = self._read()
            if edges != self._edges:
                self._edges, self._known = edges, None
        known = self._known  # one look: another thread may forget it meanwhile
        if known is None or base is not self._base:
            known = base.with_edges(self._edges) if self._edges else base
            self._base, self._known = base, known
        return known

    def _read(self) -> frozenset[tuple[str, str]]:
        try:
            with self._store.read() as tx:
                cursors = [poll.cursor for poll in tx.polls() if poll.name == EDGES]
        except IncidentResponseError as error:
            log.info("edges between DAGs: %s", error)
            return self._edges
        pairs = cursors[0].get("edges", ()) if cursors else ()
        return frozenset((str(upstream), str(downstream)) for upstream, downstream in pairs)
