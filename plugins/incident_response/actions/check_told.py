"""check.told: what an incident's own signals say it is."""

from __future__ import annotations

from typing import ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import Told

from .kit import Kit


class ReadSignals:
    """Looks at nothing outside."""

    parameters: ClassVar[type[Parameters]] = Told

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """By the signals that fire."""
        asked: Told = scene.parameters
        firing = {one.labels.get("alertname", "") for one in scene.sightings if one.firing}
        if found := sorted(firing & set(asked.alerts)):
            return Finding(
                one_line(f"{', '.join(found)} fires", 200), {"alerts": found}, causes=(asked.finds,)
            )
        return Finding(one_line(f"None of {', '.join(asked.alerts)} fires", 200), {"alerts": []})
