"""The DAG incident_detection in a real Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tests.support.airflow import Airflow
from tests.support.eyes import INCLUDE, PLUGINS, Eyes, run_all


@pytest.mark.integration
@pytest.mark.airflow(
    project=False,
    dags=[
        REPOSITORY / "dags" / "incident_detection.py",
        Path(__file__).parent / "dags" / "ways_in.py",
    ],
    plugins=PLUGINS,
    env=INCLUDE,
    config={
        "incident_response.listener_enabled": "false",
        "incident_response.detection_interval": "1",
    },
)
def test_its_sensor_finds_a_killed_task(airflow: Airflow) -> None:
    """The detector looks in the triggerer; its row says who let it."""
    login = {"conn_type": "http", "host": airflow.url, "login": "admin", "password": "admin"}
    airflow.post(
        "/api/v2/connections", json={"connection_id": "incident_response_api", **login}
    ).raise_for_status()
    run_all(airflow, ("killed",), {})
    airflow.unpause("incident_detection")

    airflow.wait_run("incident_detection", airflow.trigger("incident_detection"), timeout=90)

    eyes = Eyes(airflow)
    assert eyes.sources("killed") == ["airflow_runs"]
    with eyes.services.store.read() as tx:
        polls = {poll.name: poll for poll in tx.polls()}
    assert polls.keys() == {"airflow_runs", "airflow_edges"}
    for poll in polls.values():
        assert poll.error == ""
        assert poll.last_by.startswith("sensor@")
