"""Parameters: the base of all models, with what an action may do."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from incident_response.domain.actions import Kind


class Parameters(BaseModel):
    """What a step says under `with`. Unknown fields are errors, because a typo must not be silence.

    The docstring of a subclass is the action's documentation: one line, then details.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # a task uses one of fifty

    action: ClassVar[str]  # `docker.restart`
    kind: ClassVar[Kind]
    may_ask: ClassVar[bool] = False  # its plan may need a person's approval, whatever the runbook's mode

    @property
    def connections(self) -> tuple[str, ...]:
        """The Airflow connections it needs, beside those of the package itself."""
        return ()
