"""Report failures from a DAG, by one import:

    from incident_response.orchestration.callbacks import report_failure

    DAG("pipeline", on_failure_callback=report_failure, default_args={"on_failure_callback": report_failure})

On a task it runs in the task's own process, milliseconds after the last try failed; on a DAG in the DAG
processor, some seconds after the run failed. It never raises, and waits for the store no longer than
`callback_timeout` seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.signals import Signal
from incident_response.domain.times import UTC

from . import intake_guard, pipeline_facts


def report_failure(context: Mapping[str, Any]) -> None:
    """`on_failure_callback` of a task or a DAG. DAGs with the opt-out tag report nothing."""
    intake_guard.report(lambda: signals_of(context))


def signals_of(context: Mapping[str, Any]) -> Sequence[Signal]:
    """What there is to report of a callback's context."""
    dag = context.get("dag")
    if pipeline_facts.dag_facts(dag).ignored(intake_guard.opt_out_tag()):
        return ()
    return (pipeline_facts.of_context(pipeline_facts.CALLBACK, context, datetime.now(UTC)),)
