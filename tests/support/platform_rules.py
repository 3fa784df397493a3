"""The rules of the platform, and the series that make them fire."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from tests.support.exporter import Exporter

_GROUPS = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in _GROUPS for rule in group["rules"]]

# On a healthy platform: there is no exporter behind their targets.
ALWAYS = tuple(rule["alert"] for group in _GROUPS if group["name"] == "always" for rule in group["rules"])

# Those that no series can make fire, with the labels their expressions would leave.
_OWN = {
    rule["alert"]: rule["labels"] for group in _GROUPS if group["name"] == "never" for rule in group["rules"]
}
NEVER: dict[str, dict[str, str]] = {
    "AirflowWorkerDown": _OWN["AirflowWorkerDown"],
    "MissingDataInCriticalTable": _OWN["MissingDataInCriticalTable"],
    "OSMDataMissing": _OWN["OSMDataMissing"],
    "DatabaseConnectionFailure": {
        **_OWN["DatabaseConnectionFailure"],
        "datname": "lianel_energy",
        "instance": "postgres-exporter:9187",
        "job": "postgres",
    },
}
_CADVISOR = {"instance": "cadvisor:8080", "job": "cadvisor"}
_NODE = {"instance": "node-exporter:9100", "job": "node-exporter", "mountpoint": "/"}


def fire(exporter: Exporter) -> bool:
    """Set the series as the platform's exporters name them; counters go on at each call. Always True."""
    at = time.time()
    exporter.set("airflow_dag_run_failed_total", at, dag_id="ml_dataset_clustering", run_id="r1")
    exporter.set("airflow_task_failed_total", at, dag_id="entsoe_ingestion", run_id="r1", task_id="fetch")
    exporter.set("airflow_dag_run_duration_seconds", 9000, dag_id="osm_feature_extraction_v2", run_id="r1")
    exporter.set("airflow_task_queue_length", 60)
    exporter.set("up", 0, **_CADVISOR)
    for name, used, limit in (("keycloak", 95, 100), ("lianel-comp-ai-service", 0, 100), ("unlimited", 5, 0)):
        labels = {"name": name, "id": f"/docker/{name}", **_CADVISOR}
        exporter.set("container_memory_usage_bytes", used, **labels)
        exporter.set("container_spec_memory_limit_bytes", limit, **labels)
    labels = {"name": "lianel-stock-service", "id": "/docker/x", **_CADVISOR}
    exporter.set("container_cpu_usage_seconds_total", at * 5, **labels)
    exporter.set("node_filesystem_avail_bytes", 5, **_NODE)
    exporter.set("node_filesystem_size_bytes", 100, **_NODE)
    for le, count in (("0.5", 1), ("2.5", 100), ("+Inf", 100)):
        labels = {"instance": "energy-service:3001", "job": "energy-service", "le": le}
        exporter.set("http_request_duration_seconds_bucket", at * count, **labels)
    exporter.set("meta_ingestion_log_last_updated", at - 100_000)
    exporter.set("fact_energy_annual", 500)
    exporter.set("ingestion_failures_total", at)
    exporter.set("ingestion_attempts_total", at * 2)
    return True
