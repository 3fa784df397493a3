"""Starting DAG runs: what Airflow would swallow is refused with a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from incident_response.channels.dag_runs import DagRuns
from incident_response.domain.errors import AirflowRefused


class Rest:
    """One DAG, some runs."""

    def __init__(self, **dag: Any) -> None:
        self.dag = {"is_paused": False, "is_stale": False, **dag}
        self.runs: dict[str, Mapping[str, Any]] = {}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        if path != "/dags/incident_response":
            raise AirflowRefused("not found", status=404)
        return self.dag

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        if json["dag_run_id"] in self.runs:
            raise AirflowRefused("already exists", status=409)
        self.runs[json["dag_run_id"]] = json
        return json

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        raise NotImplementedError


def test_starts_a_run_with_the_incident_and_nothing_else() -> None:
    rest = Rest()

    assert DagRuns(rest).start("incident_response", "INC-42", 42) == "started"
    assert rest.runs["INC-42"]["conf"] == {"incident": 42}


def test_a_second_start_finds_that_it_exists() -> None:
    """The outbox repeats freely: the run's id makes it idempotent."""
    runs = DagRuns(Rest())
    runs.start("incident_response", "INC-42", 42)

    assert runs.start("incident_response", "INC-42", 42) == "exists"


@pytest.mark.parametrize(
    ("dag", "remedy"),
    [
        ({"is_paused": True}, "airflow dags unpause incident_response"),
        ({"is_stale": True}, "put its file back"),
    ],
)
def test_a_dag_that_would_never_run_is_refused_with_its_remedy(dag: dict[str, bool], remedy: str) -> None:
    """Airflow answers 200 for a paused DAG and keeps the run queued for ever."""
    rest = Rest(**dag)

    with pytest.raises(AirflowRefused, match=remedy):
        DagRuns(rest).start("incident_response", "INC-42", 42)
    assert rest.runs == {}


def test_a_missing_dag_is_named() -> None:
    with pytest.raises(AirflowRefused, match="there is no DAG runbook_x"):
        DagRuns(Rest()).start("runbook_x", "INC-42-x-1", 42)
