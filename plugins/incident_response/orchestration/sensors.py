"""Sensors that wait without a worker slot: 3.3 starts them in the triggerer, before that they defer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, TriggerRule

from incident_response import bootstrap
from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.runbooks import Step
from incident_response.service.job import Job

from . import compat, triggers, work

# Empty when there is none: the trigger then fails with a message; a template error would need a worker.
INCIDENT = "{{ (dag_run.conf or {}).get('incident', '') }}"


class WaitingSensor(BaseOperator):
    """Waits in a trigger, which also ends the task."""

    trigger_class: ClassVar[type[triggers.WaitingTrigger]]
    starts_in_triggerer: ClassVar[bool] = True
    ui_color = "#e8f1fa"

    def __init__(self, **kwargs: Any) -> None:
        if self.starts_in_triggerer:
            # A trigger goes on by itself; what ends it does not change by repeating.
            kwargs.setdefault("retries", 0)
        super().__init__(**kwargs)
        if self.starts_in_triggerer:
            path = f"{self.trigger_class.__module__}.{self.trigger_class.__qualname__}"
            compat.start_in_triggerer(self, path, self.arguments())

    def arguments(self) -> Mapping[str, Any]:
        """The trigger's arguments, still as templates."""
        raise NotImplementedError

    def execute(self, context: Any) -> None:
        """Before 3.3: hand over to the trigger."""
        self.defer(trigger=self.trigger_class(**self.arguments()), method_name="execute_complete")

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """Never called, because the trigger ends the task; Airflow asks for its name."""


class _IncidentSensor(WaitingSensor):
    template_fields: Sequence[str] = ("incident",)

    def __init__(self, *, incident: str = INCIDENT, **kwargs: Any) -> None:
        self.incident = incident
        super().__init__(**kwargs)

    def arguments(self) -> Mapping[str, Any]:
        return {"incident": self.incident}


class LevelSensor(_IncidentSensor):
    """Green: the level was paged. Skipped: the incident was over before."""

    trigger_class = triggers.LevelTrigger

    def __init__(self, *, level: int, **kwargs: Any) -> None:
        self.level = level
        super().__init__(**kwargs)

    def arguments(self) -> Mapping[str, Any]:
        """Number and level."""
        return {"incident": self.incident, "level": self.level}


class ResolutionSensor(_IncidentSensor):
    """Green: the incident is resolved or closed."""

    trigger_class = triggers.ResolutionTrigger


class RemediationSensor(_IncidentSensor):
    """Green: the runbook proved that it worked. Red: it failed. Skipped: there is none, or it was refused."""

    trigger_class = triggers.RemediationTrigger


class _RunbookSensor(_IncidentSensor):
    trigger_class = triggers.CheckTrigger
    # Runbooks have a form. On 3.3.2 a form value that does not fit, in a DAG whose sensors start in the
    # triggerer, kills the whole triggerer, and again after each restart.
    # They start in a worker, which may be lost before they wait: then their next try looks again.
    starts_in_triggerer = False
    template_fields = ("incident", "run_id")

    def __init__(self, *, run_id: str = "{{ run_id }}", **kwargs: Any) -> None:
        self.run_id = run_id
        kwargs.setdefault("trigger_rule", TriggerRule.NONE_FAILED)
        # Soon: what has failed for good is asked for once more on 3.3, and a person waits for the page.
        kwargs.setdefault("retry_delay", timedelta(seconds=1))
        super().__init__(**kwargs)

    def execute(self, context: Any) -> None:
        """Look once before waiting: what it waits for has often come already."""
        try:
            found = triggers.checked(**self.arguments(), now=bootstrap.now())
        except IncidentResponseError as error:  # the trigger looks again, and says so
            self.log.warning("%s", error)
            found = triggers.Look()
        if found.end == "failed":
            context["ti"].xcom_push(key=work.PROBLEM, value=found.reason)
            raise compat.FailNow(found.reason)
        if found.end == "skipped":
            raise compat.SkipNow(found.reason)
        if not found.end:
            super().execute(context)
        self._done()

    def execute_complete(self, context: Any, event: Any = None) -> None:
        """The trigger has seen the end, and tasks behind this one that are not needed; or something that had
        to wait can be done now, and the waiting goes on.
        """
        self.log.info("%s", event)
        job = self._job()
        if job.result(self.task_id) is None and not job.remediation.state.ended:
            self.execute(context)
        else:
            self._done()

    def _job(self) -> Job:
        job = work.job(self.incident, self.run_id)
        assert job is not None  # it was looked at before
        return job

    def _done(self) -> None:
        job = self._job()
        work.skip_ahead(job, self.task_id)


class CheckSensor(_RunbookSensor):
    """A step that waits for something before anything is changed."""

    def __init__(self, *, step: Step, **kwargs: Any) -> None:
        self.step = step.name
        super().__init__(task_id=step.name, **kwargs)

    def arguments(self) -> Mapping[str, Any]:
        """Number, the runbook's own run, the step."""
        return {"incident": self.incident, "run_id": self.run_id, "step": self.step, "rung": "", "last": True}


class VerifySensor(_RunbookSensor):
    """Green: proven that the trouble is over. Skipped: not by this attempt. Red: not by the last one."""

    def __init__(self, *, rung: str, last: bool, **kwargs: Any) -> None:
        self.rung, self.last = rung, last
        super().__init__(task_id=f"verify_{rung}" if rung else "verify", **kwargs)

    def arguments(self) -> Mapping[str, Any]:
        """Number, the runbook's own run, the attempt that is checked."""
        return {
            "incident": self.incident,
            "run_id": self.run_id,
            "step": "",
            "rung": self.rung,
            "last": self.last,
        }


EVERY = triggers.EVERY


class PollSensor(WaitingSensor):
    """Green: the detector was polled once since the sensor started to wait. Skipped: it is not due yet."""

    trigger_class = triggers.PollTrigger
    template_fields: Sequence[str] = ("detector",)

    def __init__(self, *, detector: str, **kwargs: Any) -> None:
        self.detector = detector
        super().__init__(**kwargs)

    def arguments(self) -> Mapping[str, Any]:
        """The detector's name."""
        return {"detector": self.detector}
