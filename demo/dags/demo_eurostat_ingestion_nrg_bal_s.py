"""Energy balances of Eurostat, one task per country, in small: all 27 fail at once, and work at the next try.

A flood of failures with one cause: one incident, one repair, nobody is woken 27 times.
"""

from __future__ import annotations

import logging

from airflow.sdk import DAG, get_current_context, task

log = logging.getLogger(__name__)

COUNTRIES = [
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE"),
    *("IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
]

with DAG(
    dag_id="demo_eurostat_ingestion_nrg_bal_s",
    description="Demo: 27 mapped tasks fail at once, one incident",
    doc_md=__doc__,
    schedule=None,
    tags=["demo", "ingestion"],
    default_args={"owner": "data-platform", "retries": 0},
):

    @task
    def ingest(country: str) -> None:
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError(
                f"GET https://ec.europa.eu/eurostat/api/…/nrg_bal_s?geo={country}: 429 Too Many Requests"
            )
        log.info("%s into fact_energy_annual", country)

    ingest.expand(country=COUNTRIES)
