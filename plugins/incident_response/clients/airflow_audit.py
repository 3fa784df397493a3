"""Airflow's audit log: who has marked, paused or cancelled what.

The role Op may read it. Airflow 3.1.3 ignores parameters it does not know, so rows are checked against what
was asked. Changes of many task instances at once leave no row there on any version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.errors import AirflowRefused, AuditUnreadable
from incident_response.domain.ports import AirflowRest
from incident_response.domain.stops import OF_DAG, OF_MANY, OF_RUN, Audit

_PAGE, _MOST = 100, 1_000


def around_run(api: AirflowRest, dag_id: str, run_id: str) -> Audit:
    """What people did to a run, its tasks, its DAG. Raises AuditUnreadable, AirflowUnavailable."""
    of_run = _rows(api, {"dag_id": dag_id, "run_id": run_id}, OF_RUN, _MOST)
    return Audit([*of_run, *_rows(api, {"dag_id": dag_id}, OF_DAG, _PAGE), *_rows(api, {}, OF_MANY, _PAGE)])


def around_dag(api: AirflowRest, dag_id: str) -> Audit:
    """What people did to a DAG. Raises like around_run."""
    return Audit([*_rows(api, {"dag_id": dag_id}, OF_DAG, _PAGE), *_rows(api, {}, OF_MANY, _PAGE)])


def since(api: AirflowRest, moment: datetime) -> Audit:
    """What people did to anything since then, the latest thousand rows. Raises like around_run."""
    events = tuple(dict.fromkeys((*OF_RUN, *OF_DAG, *OF_MANY)))
    return Audit(_rows(api, {"after": moment.isoformat()}, events, _MOST))


def _rows(
    api: AirflowRest, asked: Mapping[str, str], events: Sequence[str], most: int
) -> list[Mapping[str, Any]]:
    """The latest first."""
    query = {**asked, "included_events": list(events), "order_by": "-event_log_id", "limit": _PAGE}
    named = {name: value for name, value in asked.items() if name != "after"}
    rows: list[Mapping[str, Any]] = []
    while True:
        try:
            answer = api.get("/eventLogs", {**query, "offset": len(rows)})
        except AirflowRefused as refused:
            raise AuditUnreadable(
                f"Airflow's audit log cannot be read (HTTP {refused.status}); "
                "give the service user the permission to read audit logs"
            ) from None
        got = answer["event_logs"]
        rows += got
        if not got or len(rows) >= min(answer.get("total_entries", 0), most):
            break
    return [row for row in rows if row["event"] in events and named.items() <= row.items()]
