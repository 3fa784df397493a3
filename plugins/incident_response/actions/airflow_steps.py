"""The airflow actions."""

from __future__ import annotations

from .airflow_checks import RunsEnded, RunsGreen, UpstreamBackoff
from .airflow_clear import ClearFailed, Rerun
from .airflow_last_run import LastRun
from .airflow_look import LookAtRuns
from .airflow_pause import Pause, Unpause
from .airflow_quarantine import Quarantine
from .airflow_resources import Resources
from .airflow_stuck import MarkStuckFailed
from .airflow_switch import SetSwitch
from .kit import ActionType

ACTIONS: tuple[ActionType, ...] = (
    LookAtRuns,
    LastRun,
    Resources,
    ClearFailed,
    Rerun,
    MarkStuckFailed,
    Pause,
    Unpause,
    SetSwitch,
    Quarantine,
    RunsEnded,
    RunsGreen,
    UpstreamBackoff,
)
