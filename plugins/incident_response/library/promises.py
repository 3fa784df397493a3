"""Promises: what a runbook says it will do and the pipelines of services.yaml cannot."""

from __future__ import annotations

from collections.abc import Iterator

from incident_response.domain.runbooks import Runbook, Step, resolved
from incident_response.domain.services import ServiceMap

_TELLS = ("data.ingest", "data.backfill")  # they tell a DAG which date or partition is meant
_WAYS = {"data.ingest": "conf", "data.backfill": "its logical date"}


def broken_promises(runbook: Runbook, services: ServiceMap) -> Iterator[tuple[Step, str]]:
    """The steps that tell a date to a DAG which cannot be told one, each with the reason and the remedy."""
    for step in runbook.steps:
        if step.action not in _TELLS:
            continue
        dag_id = str(resolved(step.parameters, runbook.values({})).get("dag_id") or "")
        service = services.service(dag_id) if dag_id else None
        if service is not None and not service.reads_conf:
            yield (
                step,
                f"{dag_id} cannot be told a date by {_WAYS[step.action]}: it goes on from its own checkpoint "
                "(`reads_conf: false` in services.yaml); use data.run, which starts it once",
            )
