"""Unit conversion and code mapping, in small: a new product code has no mapping, at every try of every run.

A re-run cannot mend this, so the runbook fails and people are called, level by level. It reports its
failures by itself, with one import, and its tag P2 makes them urgent: the first page goes out at once.
"""

from __future__ import annotations

from airflow.sdk import DAG, task

from incident_response.orchestration.callbacks import report_failure

with DAG(
    dag_id="demo_eurostat_harmonization",
    description="Demo: always fails, climbs the ladder to Level 4",
    doc_md=__doc__,
    schedule=None,
    tags=["demo", "harmonization", "P2"],
    default_args={"owner": "data-platform", "retries": 0, "on_failure_callback": report_failure},
):

    @task
    def map_product_codes() -> None:
        raise ValueError("no mapping for SIEC product code R5290; 1,204 rows of nrg_bal_s are left over")

    map_product_codes()
