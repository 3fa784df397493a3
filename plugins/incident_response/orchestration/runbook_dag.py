"""Runbooks as DAGs: one DAG per valid file of include/runbooks, its graph shows the steps."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from airflow.sdk import DAG, Param
from airflow.sdk.bases.operator import chain

from incident_response import bootstrap
from incident_response import settings as configuration
from incident_response.domain.errors import PolicyError
from incident_response.domain.runbooks import Runbook

from . import by_hand, house
from .steps import ConcludeOperator, make

log = logging.getLogger(__name__)

CONCLUDE = "conclude"


def dags() -> Iterator[DAG]:
    """The DAGs of all valid runbooks. A broken file is logged, shown by doctor, and hurts no other."""
    try:
        library = bootstrap.make_library(configuration.settings())
    except PolicyError as error:
        log.error("%s", error)
        return
    for runbook in library.runbooks().values():
        if not runbook.written:
            yield build(runbook)


def build(runbook: Runbook) -> DAG:
    """One runbook's DAG."""
    with DAG(
        dag_id=by_hand.PREFIX + runbook.name,
        dag_display_name=f"Runbook: {runbook.title}",
        description=f"{runbook.title} (version {runbook.version}, mode {runbook.mode.value})",
        schedule=None,
        doc_md=_doc(runbook),
        params={
            # With a default: on 3.3 a Param without one kills the whole triggerer when a sensor starts there.
            # A run without an incident fails in its first step, and says so.
            "incident": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                title="Incident",
                description_md="Its number: 42 for `INC-42`.",
            )
        },
        **house.rules(),
    ) as dag:
        steps = [make(step.action, step.name, step.parameters) for step in runbook.steps]
        actions = {step.name: step.action for step in runbook.steps}
        name = CONCLUDE if CONCLUDE not in actions else f"{CONCLUDE}_run"
        chain(*steps, ConcludeOperator(task_id=name, steps=actions))
    return dag


def _doc(runbook: Runbook) -> str:
    return (
        f"# {runbook.title}\n\n{runbook.text}\n\n---\n"
        "Started by the clock for an incident. Started by hand, it asks for a remediation in your name: "
        f"a run `INC-42-{runbook.name}-1` then does the work, behind the same guard.\n\n"
        f"From `include/runbooks/{runbook.name}.yaml`. Not paused when it appears, also where new DAGs are."
    )
