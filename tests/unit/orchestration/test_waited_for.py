"""What a worker knows of a task that waited for another DAG."""

from __future__ import annotations

from airflow.exceptions import AirflowException
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor

from incident_response.orchestration.waited_for import waited_for

FAILED = AirflowException("child failed with failed state failed")


def trigger(**fields: object) -> TriggerDagRunOperator:
    return TriggerDagRunOperator(task_id="start", trigger_dag_id="child", trigger_run_id="r1", **fields)


def test_one_that_waits_names_the_run_it_has_started() -> None:
    """With the exception of 3.3, and without any, as 3.1 has it; deferrable or not."""
    named = {"dag_id": "child", "run_id": "r1"}
    assert waited_for(trigger(wait_for_completion=True), FAILED) == named
    assert waited_for(trigger(wait_for_completion=True), None) == named
    assert waited_for(trigger(wait_for_completion=True, deferrable=True), FAILED) == named


def test_one_that_failed_by_itself_names_nothing() -> None:
    """Words of its own, or nothing that it would wait for."""
    assert waited_for(trigger(wait_for_completion=True), ValueError("conf is no JSON")) is None
    assert waited_for(trigger(), None) is None
    assert waited_for(object(), None) is None


def test_a_sensor_names_the_dag_that_it_waited_for() -> None:
    """When that failed, and when nobody told it so."""
    sensor = ExternalTaskSensor(task_id="wait", external_dag_id="child")
    assert waited_for(sensor, AirflowException("The external DAG child failed.")) == {"dag_id": "child"}
    assert waited_for(sensor, AirflowException("Sensor has timed out; run duration …")) == {"dag_id": "child"}
    assert waited_for(sensor, KeyError("logical_date")) is None
