"""One Airflow for the tests of its health and of its DAGs' dependencies."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_response.airflow_api import AirflowApi
from incident_response.domain.connections import Connection
from tests.support.airflow import Airflow

# The same keywords everywhere: tests that run one after the other share it.
ON_AIRFLOW = pytest.mark.airflow(
    project=False,
    dags=[Path(__file__).parents[1] / "dags" / "health_pipelines.py"],
    # 3.1 calls a DAG processor unhealthy after 2.1 heartbeats; with the harness's one second it flaps.
    config={"scheduler.job_heartbeat_sec": "2"},
)


def api(airflow: Airflow, user: str = "admin") -> AirflowApi:
    """Our client, logged in as one of the users of the harness."""
    return AirflowApi(lambda: Connection(host=airflow.url, login=user, password=user))
