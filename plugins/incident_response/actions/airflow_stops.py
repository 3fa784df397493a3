"""A person's stop is respected: looked for when something is planned, and again right before it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from incident_response.clients import airflow_audit
from incident_response.clients.airflow_states import dag_path
from incident_response.domain.actions import Planned, Scene
from incident_response.domain.errors import AuditUnreadable, Refused, StoppedByPerson
from incident_response.domain.stops import STOPPED, Audit, Mark, Stop, covering

from .airflow_bounds import Bounded
from .airflow_reading import FAILED, find_run, instance_rows, obstacle
from .airflow_records import Target, listed, moment


class _Touched(Protocol):
    @property
    def key(self) -> tuple[str, int]:
        """Task and map index."""


def refuse_stopped(
    api: Bounded, scene: Scene, target: Target, run: Mapping[str, Any], touched: Iterable[_Touched] = ()
) -> str:
    """Why a person has to approve it: nobody can tell whether somebody has stopped it. Empty: nobody has.

    Raises StoppedByPerson when a person has stopped the run, all of its failed tasks, its DAG or its
    backfill, and Refused when it was some of them, or one that is `touched`: then there is trouble besides.
    What a person asked for by name, knowing of the stop, is no decision of automation.
    """
    return _respect(scene, lambda: _look(api, scene, target, run, list(touched)), target.name)


def answered(unknown: str, planned: Planned) -> None:
    """Raises Refused when it turns out only now that nobody can tell, and nobody has approved it."""
    if unknown and not planned.asks:
        raise Refused(f"approval: {unknown}; start the runbook on the incident's page if it may run again")


def stopped(api: Bounded, scene: Scene, targets: Sequence[Target]) -> str:
    """That nothing but a person's word keeps these runs from being green; "" when that is not so."""
    texts = []
    for target in targets:
        run = find_run(api, target)
        try:
            if run is None:
                return ""
            refuse_stopped(api, scene, target, run)
        except StoppedByPerson as stop:
            texts.append(str(stop))
        except Refused:
            return ""
        else:
            return ""
    return texts[0] if texts else ""


def refuse_paused(api: Bounded, scene: Scene, dag_id: str) -> str:
    """Why a person has to approve that a DAG is unpaused, as refuse_stopped does.

    Raises StoppedByPerson when a person has paused it.
    """
    dag = api.find(dag_path(dag_id))
    if dag is None or not dag.get("is_paused"):
        return ""

    def look() -> None:
        _decided(_since(scene, [airflow_audit.around_dag(api, dag_id).pause(dag_id)]))

    return _respect(scene, look, f"the DAG {dag_id}")


def _respect(scene: Scene, look: Callable[[], None], name: str) -> str:
    try:
        look()
    except AuditUnreadable as error:
        if scene.asked_at is None:
            return f"nobody can tell whether a person has stopped {name}: {error}"
    return ""


def _look(
    api: Bounded, scene: Scene, target: Target, run: Mapping[str, Any], touched: Sequence[_Touched]
) -> None:
    audit = airflow_audit.around_run(api, target.dag_id, target.run_id)
    whole = Mark(target.dag_id, target.run_id, state=run["state"], ended_at=moment(run.get("end_date")))
    _decided(_since(scene, [audit.of_run(whole)]))
    dag = api.find(dag_path(target.dag_id))
    if dag is not None and dag.get("is_paused"):
        _decided(_since(scene, [audit.pause(target.dag_id)]), f" {obstacle(target.dag_id, dag)}")
    if run.get("run_type") == "backfill":
        every = api.get("/backfills", {"dag_id": target.dag_id, "limit": 100, "order_by": "-id"})["backfills"]
        backfill = covering(every, moment(run.get("logical_date")))
        if backfill is not None and backfill.get("is_paused"):  # a cancelled one is paused, too
            _decided(_since(scene, [audit.backfill(target.dag_id, backfill)]))
    _look_at_tasks(api, scene, audit, target, {one.key for one in touched})


def _look_at_tasks(
    api: Bounded, scene: Scene, audit: Audit, target: Target, touched: set[tuple[str, int]]
) -> None:
    found: list[Stop] = []
    others = []
    for row in instance_rows(api, target):
        key = (row["task_id"], row["map_index"])
        if row["state"] not in FAILED and key not in touched:
            continue
        task = Mark(target.dag_id, target.run_id, *key, row["state"], moment(row.get("end_date")))
        stops = _since(scene, [audit.of_task(task)])
        found += stops
        others += [task.name] if row["state"] == "failed" and not stops else []
    if found and others:
        raise Refused(
            f"part of {target.name} was {STOPPED}: {listed([stop.text for stop in found], 2)}; "
            f"{listed(others, 2)} failed by itself, so look at it and clear by hand what may run again"
        )
    _decided(found)


def _since(scene: Scene, stops: Sequence[Stop | None]) -> list[Stop]:
    """The stops that nobody who asked for this runbook can have meant to lift."""
    return [one for one in stops if one is not None and (scene.asked_at is None or one.at > scene.asked_at)]


def _decided(stops: Sequence[Stop], remedy: str = "") -> None:
    if stops:
        text = listed([stop.text for stop in stops], 2)
        raise StoppedByPerson(f"{STOPPED}: {text}; shall it stay so?{remedy}")
