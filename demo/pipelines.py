"""The four pipelines: how each fails, and how its story has to end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Found(str, Enum):
    """What has to find a failure; the value is the beginning of the sentence in the terminal."""

    AT_ONCE = "callback or listener"  # from inside the failing task
    BY_SCAN = "scan"  # nothing in the pipeline could say a word


@dataclass(frozen=True)
class Pipeline:
    """One DAG of demo/dags/, `task` is the one that fails."""

    dag_id: str
    task: str
    what: str
    found: Found = Found.AT_ONCE
    heals: bool = True
    tasks: int = 1  # how many instances of `task` fail
    mapped: bool = False


ONCE = Pipeline("demo_entsoe_ingestion", "fetch_load_and_generation", "upstream answers 504 once")
ALWAYS = Pipeline(
    "demo_eurostat_harmonization",
    "map_product_codes",
    "fails at every try, a re-run cannot help",
    heals=False,
)
KILLED = Pipeline(
    "demo_osm_feature_extraction",
    "extract_features",
    "its process is killed with SIGKILL: no callback runs",
    found=Found.BY_SCAN,
)
FLOOD = Pipeline(
    "demo_eurostat_ingestion_nrg_bal_s",
    "ingest",
    "27 mapped tasks, one per country, fail at once",
    tasks=27,
    mapped=True,
)
ALL = (ONCE, ALWAYS, KILLED, FLOOD)
YARDSTICK = Pipeline("demo_by_hand", "fetch", "the same clear, done by hand through the REST API")
