"""AirflowEdges: reads which DAG hangs on which, for grouping. It sees no trouble."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.ports import AirflowRest, Observation

from .dag_edges import edges

_MOST = 20_000  # pairs that are kept


class AirflowEdges:
    """Keeps the edges between DAGs in its cursor."""

    name = "airflow_edges"
    interval = timedelta(minutes=10)
    time_limit = timedelta(seconds=30)

    def __init__(self, api: AirflowRest) -> None:
        self._api = api

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        """Ask Airflow. Raises AirflowUnavailable, AirflowRefused; the edges known before stay."""
        return Observation((), {"edges": sorted(map(list, edges(self._api)))[:_MOST]})
