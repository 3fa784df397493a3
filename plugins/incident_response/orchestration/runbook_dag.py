"""Runbooks as DAGs: one DAG per valid file of include/runbooks, its graph shows the steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from airflow.sdk import DAG, BaseOperator, Param, get_parsing_context
from airflow.sdk.bases.operator import chain

from incident_response import bootstrap
from incident_response import settings as configuration
from incident_response.domain.errors import PolicyError
from incident_response.domain.logs import logger
from incident_response.domain.runbooks import Phase, Runbook, Step
from incident_response.parameters.base import Parameters
from incident_response.parameters.registry import MODELS

from . import by_hand, house
from .approval import ApproveOperator
from .sensors import CheckSensor, VerifySensor
from .steps import ConcludeOperator, GuardOperator, PlanOperator, StepOperator

log = logger(__name__)

CONCLUDE = "conclude"


def dags() -> Iterator[DAG]:
    """The DAGs of all valid runbooks. A broken file is logged, shown by doctor, and hurts no other."""
    try:
        library = bootstrap.make_library(configuration.settings())
    except PolicyError as error:
        log.error("%s", error)
        return
    wanted = get_parsing_context().dag_id
    if wanted is None:  # the DAG processor needs all of them, a task one
        found: Iterable[Runbook | None] = library.runbooks().values()
    else:
        found = [library.runbook(wanted.removeprefix(by_hand.PREFIX))]
    yield from (build(runbook) for runbook in found if runbook is not None and not runbook.written)


def build(runbook: Runbook) -> DAG:
    """One runbook's DAG."""
    with DAG(
        dag_id=by_hand.PREFIX + runbook.name,
        dag_display_name=f"Runbook: {runbook.title}",
        description=f"{runbook.title} (version {runbook.version}, mode {runbook.mode.value})",
        schedule=None,
        doc_md=_doc(runbook),
        params=_form(runbook),
        **house.rules(),
    ) as dag:
        tasks = list(_tasks(runbook))
        chain(*tasks, ConcludeOperator(task_id=CONCLUDE, steps=[task.task_id for task in tasks]))
    return dag


def _tasks(runbook: Runbook) -> Iterator[BaseOperator]:
    """Look, plan, ask, act and check attempt by attempt, take back."""
    for step in runbook.of(Phase.DIAGNOSE):
        yield CheckSensor(step=step) if step.checks else StepOperator(step=step, doc_md=_about(step))
    rungs = runbook.of(Phase.REPAIR)
    if rungs or runbook.of(Phase.CONTAIN):
        if runbook.asks:
            yield PlanOperator(task_id="plan")
            yield ApproveOperator(runbook=runbook)
        yield GuardOperator(task_id="guard")
        for step in runbook.of(Phase.CONTAIN):
            yield StepOperator(step=step, doc_md=_about(step))
        for number, step in enumerate(rungs, 1):
            yield StepOperator(step=step, doc_md=_about(step))
            yield VerifySensor(rung=step.name, last=number == len(rungs))
    elif runbook.of(Phase.VERIFY):
        yield VerifySensor(rung="", last=True)
    for step in runbook.of(Phase.RESTORE):
        yield StepOperator(step=step, doc_md=f"Takes back what `{step.undoes}` has changed.")


def _about(step: Step) -> str:
    model: type[Parameters] = MODELS[step.action]
    return f"`{step.action}`: {model.__doc__ or ''}"


def _form(runbook: Runbook) -> dict[str, Any]:
    # With a default: on 3.3 a Param without one kills the whole triggerer when a sensor starts there.
    # A run without an incident fails in its first step, and says so.
    incident = Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="Incident",
        description_md="Its number: 42 for `INC-42`.",
    )
    settings = {
        setting.name: Param(setting.default, description_md=setting.text or None, **setting.schema)
        for setting in runbook.settings
    }
    return {"incident": incident, **settings}


def _doc(runbook: Runbook) -> str:
    return (
        f"# {runbook.title}\n\n{runbook.text}\n\n---\n"
        "Started by the clock for an incident. Started by hand, it asks for a remediation in your name: "
        f"a run `INC-42-{runbook.name}-1` then does the work, behind the same guard.\n\n"
        f"From `include/runbooks/{runbook.name}.yaml`. Not paused when it appears, also where new DAGs are."
    )
