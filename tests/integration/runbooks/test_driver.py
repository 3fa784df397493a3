"""The driver of these tests walks as the DAG does."""

from __future__ import annotations

import pytest

from incident_response.library.folder import Library
from tests.support.shipped import INCLUDE
from tests.support.walking_runbook import task_names

pytestmark = pytest.mark.integration
BOOKS = [book for book in Library(INCLUDE).runbooks().values() if not book.written]


@pytest.mark.parametrize("name", [book.name for book in BOOKS])
def test_its_tasks_are_those_of_the_dag_in_their_order(name: str) -> None:
    from incident_response.orchestration import runbook_dag  # Airflow takes its time

    (book,) = (book for book in BOOKS if book.name == name)
    assert [task.task_id for task in runbook_dag.build(book).topological_sort()] == task_names(book)
