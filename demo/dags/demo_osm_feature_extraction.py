"""Geo features from OpenStreetMap, in small: at the first try of every run the task is killed for its memory.

The kernel's SIGKILL leaves no time for anything: no callback runs, no listener, nothing is logged. Only
the scan of Airflow's failed runs finds it.
"""

from __future__ import annotations

import logging
import os
import signal

from airflow.sdk import DAG, get_current_context, task

log = logging.getLogger(__name__)

with DAG(
    dag_id="demo_osm_feature_extraction",
    description="Demo: killed with SIGKILL, found by the scan, healed by a re-run",
    doc_md=__doc__,
    schedule=None,
    tags=["demo", "geo"],
    default_args={"owner": "data-platform", "retries": 0},
):

    @task
    def extract_features() -> None:
        log.info("reading the extract of one region")
        if get_current_context()["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)  # what the out-of-memory killer does to the largest process
        log.info("features into fact_geo_region_features")

    extract_features()
