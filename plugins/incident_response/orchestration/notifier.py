"""IncidentNotifier: report_failure as an object, for those who write `on_failure_callback=[…Notifier(…)]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow.sdk import BaseNotifier

from incident_response.domain.errors import BadInput
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal

from . import intake_guard
from .callbacks import signals_of


class IncidentNotifier(BaseNotifier):
    """For tasks and for DAGs. `severity` (P1 … P4) beats the DAG's tag and every rule."""

    def __init__(self, *, severity: str | None = None) -> None:
        super().__init__()
        if severity is not None and severity not in Severity.__members__:
            raise BadInput(f"IncidentNotifier(severity={severity!r}): it must be P1, P2, P3 or P4")
        self.severity = severity

    def __call__(self, *args: Any) -> None:
        """Straight to notify: the rendering of templates, here none, fails for DAGs in `dag.test()`."""
        self.notify(args[0])

    def notify(self, context: Mapping[str, Any]) -> None:
        """Never raises."""
        intake_guard.report(lambda: [self._weighed(signal) for signal in signals_of(context)])

    def _weighed(self, signal: Signal) -> Signal:
        if self.severity is None:
            return signal
        return replace(signal, details={**signal.details, "tagged_severity": self.severity})
