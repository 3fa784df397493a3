"""What Airflow's audit log tells of a person's stop, row by row as 3.1.3 and 3.3.2 write them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.stops import Audit, Mark, Stop

T0 = datetime(2026, 3, 2, 2, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def row(
    event: str, seconds: float = 0, *, owner: str = "ada", run: str | None = "r1", task: str | None = None,
    dag: str | None = "etl", **extra: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "event_log_id": f"{event}{seconds}", "event": event, "when": at(seconds).isoformat(), "owner": owner,
        "dag_id": dag, "run_id": run, "task_id": task, "extra": json.dumps({**extra, "method": "PATCH"}),
    }  # fmt: skip


RUN = Mark("etl", "r1", state="failed", ended_at=at(1))
TASK = Mark("etl", "r1", "load", state="failed", ended_at=at(1))


def test_who_when_and_why_are_told() -> None:
    stop = Audit([row("patch_dag_run", state="failed", note="it floods\nthe source")]).of_run(RUN)

    assert stop == Stop("the run etl/r1", "marked failed", "ada", T0, "it floods")
    assert stop.text == "ada marked failed the run etl/r1 at 2026-03-02 02:00:00 UTC, saying: it floods"


@pytest.mark.parametrize(
    ("stopped", "rows"),
    [
        pytest.param(True, [row("patch_dag_run", state="failed")], id="marked"),
        pytest.param(False, [row("patch_dag_run", note="only a note")], id="a note is no mark"),
        pytest.param(False, [row("patch_dag_run", run="r2", state="failed")], id="another run"),
        pytest.param(
            True,
            [row("bulk_dag_runs", run=None, dag="~", actions=[{"action": "update", "entities": [
                {"dag_id": "etl", "dag_run_id": "r1", "state": "failed"}]}])],
            id="with others, on 3.3",
        ),
        pytest.param(
            False, [row("patch_dag_run", -9, state="failed"), row("clear_dag_run", -5)], id="cleared since"
        ),
        pytest.param(
            False,
            [row("patch_dag_run", -9, state="failed"), row("post_clear_task_instances", -5, task_ids=["a"])],
            id="a task of it was cleared since",
        ),
        pytest.param(
            False, [row("patch_dag_run", -9, state="failed"), row("patch_dag_run", -5, state="queued")],
            id="queued anew since",
        ),
        pytest.param(False, [row("patch_dag_run", -90, state="failed")], id="it has ended again since"),
        pytest.param(False, [row("patch_dag_run", state="success")], id="it is not what it was marked"),
        pytest.param(
            False,
            [row("patch_dag_run", state="failed", note="Marked failed by incident response, INC-7")],
            id="a runbook did it, by a user that people use, too",
        ),
        pytest.param(False, [row("failed", task="load", owner="airflow")], id="it failed by itself"),
    ],
)  # fmt: skip
def test_a_run_stands_under_a_persons_mark_until_it_may_run_again(stopped: bool, rows: list[Any]) -> None:
    assert (Audit(rows).of_run(RUN) is not None) is stopped


@pytest.mark.parametrize(
    ("stopped", "rows"),
    [
        pytest.param(True, [row("patch_task_instance", task="load", new_state="failed")], id="marked"),
        pytest.param(False, [row("patch_task_instance", task="a", new_state="failed")], id="another task"),
        pytest.param(
            True, [row("patch_task_instance", task="a", new_state="failed", include_downstream=True)],
            id="with what is downstream of another",
        ),
        pytest.param(
            False,
            [row("patch_task_instance", -80, task="a", new_state="failed", include_downstream=True)],
            id="that failed long after it",
        ),
        pytest.param(
            True,
            [row("patch_task_instance", run="r0", task="load", new_state="failed", include_future=True)],
            id="with those of later runs",
        ),
        pytest.param(
            False, [row("patch_task_instance", task="load", new_state="failed", map_index="3")],
            id="another index",
        ),
        pytest.param(
            False,
            [row("patch_task_instance", -9, task="load", new_state="failed"),
             row("post_clear_task_instances", -5, task_ids=[["load", -1]])],
            id="cleared since",
        ),
        pytest.param(
            True,
            [row("patch_task_instance", -9, task="load", new_state="failed"),
             row("post_clear_task_instances", -5, task_ids=["a"])],
            id="another one was cleared since",
        ),
    ],
)  # fmt: skip
def test_a_task_stands_under_a_persons_mark(stopped: bool, rows: list[Any]) -> None:
    assert (Audit(rows).of_task(TASK) is not None) is stopped


def test_a_group_of_tasks_is_marked_as_one() -> None:
    audit = Audit([row("patch_task_group_instances", group_id="load", new_state="failed")])
    inside = Mark("etl", "r1", "load.one", state="failed", ended_at=at(1))

    assert audit.of_task(inside) is not None
    assert audit.of_task(TASK) is None


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("ada", [row("patch_dag", run=None, is_paused=True)]),
        ("root", [row("cli_dag_pause", run=None, owner="root", full_command="['airflow', 'dags', 'pause']")]),
        ("ada", [row("patch_dags", run=None, dag=None, dag_id_pattern="et", is_paused=True)]),
        (None, [row("patch_dags", run=None, dag=None, dag_id_pattern="other", is_paused=True)]),
        (None, [row("patch_dag", -9, run=None, is_paused=True), row("patch_dag", run=None, is_paused=False)]),
        (None, [row("paused", run=None, owner="scheduler")]),  # after too many failures in a row
        (None, [row("patch_dag", run=None, is_paused=True, asked_by="incident response, INC-7")]),
        (None, []),
    ],
)
def test_a_pause_is_a_persons_when_a_person_made_it_last(by: str | None, rows: list[Any]) -> None:
    stop = Audit(rows).pause("etl")
    assert (stop.by if stop else None) == by


def test_a_backfill_tells_who_cancelled_it() -> None:
    backfill = {"id": 3, "updated_at": "2026-03-02T02:00:00Z", "completed_at": "2026-03-02T02:00:00Z"}
    rows = [
        row("cancel_backfill", run=None, dag=None, backfill_id="3"),
        row("pause_backfill", backfill_id="4"),
    ]

    assert Audit(rows).backfill("etl", backfill).text.startswith("ada cancelled the backfill 3 of etl at ")
    assert Audit([]).backfill("etl", backfill).by == "somebody"
