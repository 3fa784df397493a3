"""Integration tests share one machine: one Airflow at a time."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_airflow_at_a_time(request: pytest.FixtureRequest) -> None:
    """A module that deploys an Airflow of its own first ends the one that earlier modules shared."""
    if hasattr(request.module, "deploy"):
        request.getfixturevalue("airflow_pool").stop()
