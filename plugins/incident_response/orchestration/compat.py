"""What differs between the supported Airflows, 3.1.3 … 3.3.2. Nothing else asks for a version."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from airflow import __version__
from airflow.triggers.base import StartTriggerArgs

# From 3.3 on the scheduler hands a sensor straight to the triggerer, which renders its arguments: no slot.
# Before, it starts in a worker and defers itself, which takes a slot for about a second.
STARTS_IN_TRIGGERER = tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 3)

_sdk = import_module("airflow.sdk.exceptions")
_exceptions = _sdk if hasattr(_sdk, "AirflowFailException") else import_module("airflow.exceptions")
FailNow: type[Exception] = _exceptions.AirflowFailException  # fails a task without its retries
SkipNow: type[Exception] = _exceptions.AirflowSkipException
SkipAhead: Any = _exceptions.DownstreamTasksSkipped  # an exception: done, and `tasks` after it are not needed


def start_in_triggerer(sensor: Any, trigger: str, arguments: Mapping[str, Any]) -> None:
    """Let the scheduler start `trigger` (class path) for `sensor`, where it can; else execute() defers."""
    if STARTS_IN_TRIGGERER:
        sensor.start_from_trigger = True
        sensor.start_trigger_args = StartTriggerArgs(
            trigger_cls=trigger, trigger_kwargs=dict(arguments), next_method="execute_complete"
        )
