"""Some pipelines of the campaign in a real Airflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.airflow import Airflow

from . import real

pytestmark = [pytest.mark.integration, pytest.mark.calm]


@pytest.mark.timeout(900)
def test_pipelines_end_in_a_real_airflow_as_in_the_model(tmp_path: Path, postgres_url: str) -> None:
    """They fail and are repaired there, and every state agrees, and what is said to be proven."""
    seed, count = int(os.environ.get("CAMPAIGN_SEED", "1")), int(os.environ.get("CAMPAIGN_REAL", "6"))
    drawn = list(real.drawn(seed, count))
    files = real.write(tmp_path, [pipeline for pipeline, _ in drawn])
    airflow = Airflow(
        tmp_path / "airflow",
        database=postgres_url,
        project=False,
        parallelism=4,
        dags=files,
        config=real.CONFIG,
    )
    with airflow:
        found = list(real.disagreements(airflow, drawn))
    assert not found, "\n".join(found)
