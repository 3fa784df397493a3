"""An Airflow in memory that starts runs, as far as the data actions use it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from incident_response.actions.kit import Kit
from incident_response.domain.connections import Connection
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.services import ServiceMap

NOW = datetime(2026, 3, 31, 9, tzinfo=timezone.utc)


class FakeIngestion:
    """Implements ports.AirflowRest. `posted` are the changing requests; `away` refuses to answer."""

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, Any]] = {"load": {"dag_id": "load"}}
        self.runs: dict[str, dict[str, Any]] = {}
        self.dates: list[str] = []  # of the dry run
        self.backfills: list[dict[str, Any]] = []
        self.posted: list[Mapping[str, Any]] = []
        self.away = False
        self.answers: Exception | None = None  # what the next POST answers, after it has done its work or not
        self.works = True

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET."""
        if self.away:
            raise AirflowUnavailable(f"GET {path}: ConnectError")
        if path == "/backfills":
            return {"backfills": self.backfills[::-1]}
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[-1] == "dagRuns":
            return {"dag_runs": list(self.runs.values()), "total_entries": len(self.runs)}
        found = self.runs.get(parts[3]) if len(parts) == 4 else self.dags.get(parts[1])
        if found is None:
            raise AirflowRefused(f"GET {path}: HTTP 404", status=404)
        return found

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST."""
        if path == "/backfills/dry_run":
            return {"backfills": [{"logical_date": date} for date in self.dates]}
        error, self.answers = self.answers, None
        if self.works:
            if json.get("dag_run_id") in self.runs:
                raise AirflowRefused("HTTP 409: exists", status=409)
            self.posted.append(json)
            if path == "/backfills":
                self.backfills.append({**json, "id": len(self.backfills) + 1})
            else:
                self.runs[json["dag_run_id"]] = {**json, "state": "queued"}
        if error:
            raise error
        return self.backfills[-1] if path == "/backfills" else {}

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """PATCH: not used."""
        raise NotImplementedError


def kit(airflow: Any = None, lookout: Any = None, **connections: Connection) -> Kit:
    """The outside world at NOW."""
    return Kit(connections.get, airflow or FakeIngestion(), ServiceMap, lookout, lambda: NOW)
