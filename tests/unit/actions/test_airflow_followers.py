"""What a clear repeats although it had succeeded: where it acts on others, a person is asked first."""

from __future__ import annotations

from typing import Any

import pytest

from incident_response.actions.airflow_bounds import Bounded
from incident_response.actions.airflow_followers import Repeated, repeated
from incident_response.domain.run_states import TaskState

from .fake_airflow import FakeAirflow

WORK = TaskState("work", state="failed")
GRAPH: dict[str, dict[str, Any]] = {
    "stage": {"downstream_task_ids": ["work"]},
    "work": {"downstream_task_ids": ["after"]},
    "after": {"downstream_task_ids": ["unstage"]},
    "unstage": {"downstream_task_ids": [], "trigger_rule": "all_done_setup_success"},
}


def judged(*cleared: TaskState, whole: bool = False, tags: tuple[str, ...] = (), doc: str = "") -> Repeated:
    airflow = FakeAirflow()
    producer = {"dag_id": "load", "task_id": "after"}
    woken = [{"dag_id": "report"}, {"dag_id": "forecast"}]
    airflow.other["assets"] = {"assets": [{"scheduled_dags": woken, "producing_tasks": [producer]}]}
    if not any(one.operator == "wakes" for one in cleared):
        airflow.other["assets"] = {"assets": [{"scheduled_dags": [], "producing_tasks": [producer]}]}
    graph = {**GRAPH, "after": {**GRAPH["after"], "doc_md": doc}}
    dag = {"tags": [{"name": tag} for tag in tags]}
    keys = [one.key for one in cleared if one.state in ("failed", "upstream_failed")]
    return repeated(Bounded(airflow, 10), "load", dag, graph, cleared, keys, whole=whole)


def after(operator: str, state: str = "success") -> TaskState:
    return TaskState("after", state=state, operator=operator)


@pytest.mark.parametrize(
    "operator",
    [
        "EmailOperator", "SmtpOperator", "SlackAPIPostOperator", "SlackWebhookOperator", "TelegramOperator",
        "DiscordWebhookOperator", "MSTeamsWebhookOperator", "OpsgenieCreateAlertOperator",
        "SnsPublishOperator", "SmsOperator", "JiraOperator", "SendGridEmailOperator",
    ],
)  # fmt: skip
def test_what_tells_people_is_not_repeated_unasked(operator: str) -> None:
    assert judged(WORK, after(operator)).asks == f"after ({operator}) would tell people again"


@pytest.mark.parametrize("operator", ["@task", "BashOperator", "SnowflakeOperator", "SQLCheckOperator"])
def test_work_is(operator: str) -> None:
    assert judged(WORK, after(operator)) == Repeated()


@pytest.mark.parametrize("state", ["upstream_failed", "failed", "skipped", "none"])
def test_what_had_not_told_anybody_may(state: str) -> None:
    """That it failed, or was cut off, is what is repaired."""
    assert judged(WORK, after("EmailOperator", state)).asks == ""


def test_a_follower_that_started_a_run_would_start_another() -> None:
    assert judged(WORK, after("TriggerDagRunOperator")).asks == "after would start another run"


def test_an_asset_wakes_its_consumers_again() -> None:
    """The plan names them also where nobody was woken yet; without consumers there is nobody to ask for."""
    assert judged(WORK, after("wakes")) == Repeated(
        "after would wake forecast, report again", "forecast, report"
    )
    assert judged(WORK, after("wakes", "upstream_failed")) == Repeated("", "forecast, report")
    assert judged(WORK, after("@task")) == Repeated()


@pytest.mark.parametrize(
    ("tags", "doc", "asks"),
    [
        (("not-repeatable:after",), "", "after is tagged not-repeatable"),
        (("not-repeatable:other",), "", ""),
        (("not-repeatable",), "", "work is tagged not-repeatable, after is tagged not-repeatable"),
        ((), "Sends the invoices: not-repeatable.", "after is tagged not-repeatable"),
    ],
)
def test_tags_say_what_is_not_repeatable(tags: tuple[str, ...], doc: str, asks: str) -> None:
    """What failed, too: it may have done half of it."""
    assert judged(WORK, after("@task"), tags=tags, doc=doc).asks == asks


def test_setups_and_teardowns_are_made_to_be_repeated() -> None:
    """A setup is what a clear names beside what failed and what is downstream of it."""
    stage = TaskState("stage", state="success", operator="SmtpOperator")
    unstage = TaskState("unstage", state="success", operator="SlackAPIPostOperator")

    assert judged(WORK, stage, unstage).asks == ""
    assert "stage (SmtpOperator)" in judged(WORK, stage, unstage, whole=True).asks
