"""What is different about a run, beside the last good run of the same DAG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_response.clients.airflow_states import dag_path
from incident_response.domain.errors import AirflowRefused, AirflowUnavailable
from incident_response.domain.redaction import one_line

from .airflow_bounds import Bounded
from .airflow_records import moment


def changed(api: Bounded, run: Mapping[str, Any]) -> dict[str, Any]:
    """JSON: the last good run, both durations, and those of DAG version, bundle version and conf keys that
    differ.
    """
    runs = f"{dag_path(str(run['dag_id']))}/dagRuns"
    query = {"state": ["success"], "run_after_lte": run["run_after"], "order_by": "-run_after", "limit": 1}
    try:
        found = api.get(runs, query)["dag_runs"]
    except (AirflowRefused, AirflowUnavailable) as error:
        return {"not available": one_line(str(error))}
    if not found or found[0]["state"] != "success":
        return {"last good run": None}
    before, now = _facts(found[0]), _facts(run)
    return {
        "last good run": found[0]["dag_run_id"],
        "last good run ended": found[0].get("end_date"),
        "duration": [_seconds(found[0]), _seconds(run)],
        **{name: [before[name], now[name]] for name in now if before[name] != now[name]},
    }


def _facts(run: Mapping[str, Any]) -> dict[str, Any]:
    versions = run.get("dag_versions") or []
    return {
        "DAG version": versions[-1].get("version_number") if versions else None,
        "bundle version": run.get("bundle_version"),
        "conf keys": sorted(run.get("conf") or {})[:50],  # names only: values may be anything
    }


def _seconds(run: Mapping[str, Any]) -> float | None:
    start, end = moment(run.get("start_date")), moment(run.get("end_date"))
    return round((end - start).total_seconds(), 1) if start and end else None
