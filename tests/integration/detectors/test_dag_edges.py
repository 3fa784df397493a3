"""Which DAG hangs on which, read from a real Airflow."""

from __future__ import annotations

import httpx
import pytest

from incident_response.detectors.dag_edges import asset_edges, edges
from tests.integration.detectors.airflow_under_test import ON_AIRFLOW, api
from tests.support.airflow import Airflow

pytestmark = [pytest.mark.integration, ON_AIRFLOW]

_DAGS = ("ingestion", "dataset", "geo_enrichment", "coordinator", "alone")


@pytest.fixture
def parsed(airflow: Airflow) -> Airflow:
    for dag_id in _DAGS:
        airflow.wait_dag(dag_id)
    return airflow


@pytest.mark.parametrize("user", ["admin", "viewer"])
def test_assets_and_sensors_are_edges(parsed: Airflow, user: str) -> None:
    """For everyone who may read DAGs. That `dataset` triggers `geo_enrichment` is none."""
    assert edges(api(parsed, user)) == {
        ("ingestion", "dataset"),  # an asset
        ("ingestion", "coordinator"),  # a sensor
    }


def test_the_graph_is_not_for_strangers(parsed: Airflow) -> None:
    """Airflow's own page is as well guarded as its API."""
    assert httpx.get(f"{parsed.url}/ui/dependencies").status_code == 401


def test_the_public_api_knows_the_assets(parsed: Airflow) -> None:
    """What is left when the graph is refused."""
    assert asset_edges(api(parsed)) == {("ingestion", "dataset")}
