"""check.service: the function answers, whatever its container says."""

from __future__ import annotations

from typing import ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.domain.witnesses import Word
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import CheckService

from .airflow_records import listed
from .docker_targets import container_of
from .kit import Kit


class ServiceAnswers:
    """By the health pages of detectors.yaml, asked now."""

    parameters: ClassVar[type[Parameters]] = CheckService

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Proven when every page answers well; without any page it is empty."""
        names = scene.parameters.services or self._meant(scene)
        said = self._kit.pages(names, self._kit.now())
        data = {"services": list(names), "pages": {name: word.word.value for name, word in said.items()}}
        if not said:
            text = f"No health page of {listed(names, 3)} is known; add it as a target to detectors.yaml"
            return Finding(one_line(text, 200), data, proven=True, empty=True)
        bad = [word.text for word in said.values() if word.word is not Word.WELL]
        if bad:
            return Finding(one_line(f"Does not answer: {listed(bad, 2)}", 200), data)
        return Finding(
            one_line(f"Answers: {listed((w.text for w in said.values()), 3)}", 200), data, proven=True
        )

    def _meant(self, scene: Scene) -> tuple[str, ...]:
        services = self._kit.services()
        started = {
            data["container"] for data in scene.done.values() if isinstance(data.get("container"), str)
        }
        behind = (name for name in services.names if set(container_of(name, services)) & started)
        return tuple(dict.fromkeys((scene.incident.service, *behind, *sorted(started))))
