"""include/policy/automation.yaml: what bounds all runbooks together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from incident_response.domain.automation import Limits

from .yaml_file import Model


class AutomationFile(Model):
    """The whole file."""

    version: Literal[1]
    per_hour: int = Field(
        10, ge=1, le=1000, description="Runbooks that may act by themselves; one more opens the breaker."
    )


def limits(content: AutomationFile) -> Limits:
    """The domain's record."""
    return Limits(content.per_hour)
