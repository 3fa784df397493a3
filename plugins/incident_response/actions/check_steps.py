"""The check actions."""

from __future__ import annotations

from .check_http import HttpAnswers
from .check_prometheus import MetricHolds
from .check_signals import Quiet
from .check_told import ReadSignals
from .check_wait import Wait
from .kit import ActionType

ACTIONS: tuple[ActionType, ...] = (Quiet, ReadSignals, HttpAnswers, MetricHolds, Wait)
