"""AirflowHealthSource: limits for Airflow's own health."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, field_validator

from incident_response.lengths import Length

from .base import Source

States = Literal["queued", "scheduled"]

# What a person calls each of them, unless the file says what its container is called.
SERVICES: Mapping[str, str] = {
    "airflow": "airflow",
    "scheduler": "airflow-scheduler",
    "triggerer": "airflow-triggerer",
    "dag_processor": "airflow-dag-processor",
    "api_server": "airflow-api-server",
    "metadatabase": "airflow-metadatabase",
}


class AirflowHealthSource(Source):
    """Airflow itself: its components, its queue, its pools. Read with the connection of `api_conn_id`."""

    kind: Literal["airflow_health"]
    heartbeat_late: Length = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=2),
        description="A scheduler, triggerer or DAG processor whose last heartbeat is older is down; also "
        "one that Airflow calls unhealthy, which it does after limits of its own (30 s; the DAG processor of "
        "3.1 after 2.1 times [scheduler] job_heartbeat_sec).",
    )
    failures: int = Field(
        2, ge=1, le=100, description="So many looks in a row before something is down or a pool starved."
    )
    queued_longer: Length = Field(
        timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="A task that waits for longer has waited too long, in the queue or for a pool.",
    )
    states: tuple[States, ...] = Field(
        ("queued", "scheduled"),
        min_length=1,
        description="Tasks in these states wait. `queued`: for a worker. `scheduled`: for the limits of a "
        "pool, a DAG or the installation, too; leave it out where long backlogs are normal.",
    )
    queue_length: int = Field(
        50,
        ge=1,
        description="So many waiting tasks are a long queue; it is over at less than half as many.",
    )
    services: Mapping[str, str] = Field(
        default_factory=dict,
        description=f"The names of the services, for example of containers, by {', '.join(SERVICES)}.",
    )

    @field_validator("states", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("services")
    @classmethod
    def _known(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        unknown = sorted(set(value) - set(SERVICES))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: unknown; write one of {', '.join(SERVICES)}")
        empty = sorted(name for name, service in value.items() if not service.strip())
        if empty:
            raise ValueError(f"{', '.join(empty)}: the name is empty; write one or leave the line out")
        return value

    def service(self, component: str) -> str:
        """The name of a component's service. `airflow` stands for the whole."""
        return self.services.get(component, SERVICES[component])
