"""A person's stop is respected: looked for when something is planned, and again right before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from incident_response.clients import airflow_audit
from incident_response.domain.actions import Scene
from incident_response.domain.errors import AuditUnreadable, Refused, StoppedByPerson
from incident_response.domain.stops import STOPPED, Audit, Mark, Stop, covering

from .airflow_bounds import Bounded
from .airflow_reading import FAILED, instance_rows
from .airflow_records import Instance, Target, dag_path, listed, moment


def refuse_stopped(
    api: Bounded,
    scene: Scene,
    target: Target,
    run: Mapping[str, Any],
    touched: Sequence[Instance] = (),
    dag: Mapping[str, Any] | None = None,
) -> None:
    """Raises StoppedByPerson when a person has stopped the run, one of its failed tasks, one that is
    `touched`, its DAG or its backfill, and Refused when nobody can tell.

    What a person asked for by name, knowing of the stop, is no decision of automation.
    """
    found = _decided_since(scene, lambda: list(_stops(api, target, run, touched, dag)), target.name)
    if found:
        raise StoppedByPerson(f"{STOPPED}: {listed([stop.text for stop in found], 2)}; shall it stay so?")


def stopped(api: Bounded, scene: Scene, runs: Mapping[Target, Mapping[str, Any] | None]) -> str:
    """That nothing but a person's word keeps these runs from being green; "" when that is not so."""
    failed = {target: run for target, run in runs.items() if run is None or run["state"] != "success"}
    texts = []
    for target, run in failed.items():
        try:
            if run is None:
                return ""
            refuse_stopped(api, scene, target, run)
        except StoppedByPerson as stop:
            texts.append(str(stop))
        except Refused:  # nobody can tell
            return ""
        else:
            return ""
    return texts[0] if texts else ""


def refuse_paused(api: Bounded, scene: Scene, dag_id: str) -> None:
    """Raises StoppedByPerson when a person has paused the DAG, and Refused when nobody can tell."""
    dag = api.find(dag_path(dag_id))
    if dag is None or not dag.get("is_paused"):
        return
    found = _decided_since(scene, lambda: [airflow_audit.around_dag(api, dag_id).pause(dag_id)], dag_id)
    if found:
        raise StoppedByPerson(f"{STOPPED}: {found[0].text}; shall it stay so?")


def _decided_since(scene: Scene, look: Any, name: str) -> list[Stop]:
    """The stops that nobody who asked for this runbook can have meant to lift."""
    try:
        stops: list[Stop | None] = look()
    except AuditUnreadable as error:
        if scene.asked_at is not None:
            return []
        raise Refused(
            f"approval: nobody can tell whether a person has stopped {name}: {error}. "
            "If it may run again, start the runbook on the incident's page: that is your yes"
        ) from None
    return [one for one in stops if one is not None and (scene.asked_at is None or one.at > scene.asked_at)]


def _stops(
    api: Bounded,
    target: Target,
    run: Mapping[str, Any],
    touched: Sequence[Instance],
    dag: Mapping[str, Any] | None,
) -> Iterator[Stop | None]:
    audit = airflow_audit.around_run(api, target.dag_id, target.run_id)
    whole = Mark(target.dag_id, target.run_id, state=run["state"], ended_at=moment(run.get("end_date")))
    if (stop := audit.of_run(whole)) is not None:
        yield stop
    else:
        yield from _of_tasks(api, audit, target, touched)
    dag = dag or api.find(dag_path(target.dag_id))
    if dag is not None and dag.get("is_paused"):
        yield audit.pause(target.dag_id)
    if run.get("run_type") == "backfill":
        every = api.get("/backfills", {"dag_id": target.dag_id, "limit": 100, "order_by": "-id"})["backfills"]
        backfill = covering(every, moment(run.get("logical_date")))
        if backfill is not None and backfill.get("is_paused"):  # a cancelled one is paused, too
            yield audit.backfill(target.dag_id, backfill)


def _of_tasks(
    api: Bounded, audit: Audit, target: Target, touched: Sequence[Instance]
) -> Iterator[Stop | None]:
    wanted = {one.key for one in touched}
    for row in instance_rows(api, target):
        if row["state"] not in FAILED and (row["task_id"], row["map_index"]) not in wanted:
            continue
        ended = moment(row.get("end_date"))
        yield audit.of_task(
            Mark(target.dag_id, target.run_id, row["task_id"], row["map_index"], row["state"], ended)
        )
