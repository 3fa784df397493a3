"""docker.restart, docker.start: bring containers back."""

from __future__ import annotations

from typing import ClassVar

from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.services import Container
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Restart, Start

from . import docker_precheck
from .docker_changing import ContainerChange, facts, latest, present, refuse_paused, target, watch
from .docker_container import Seen

MARGIN = 2  # seconds that the engine needs to kill and start, beside the time that the container has


class RestartContainer(ContainerChange):
    """Once: a container that runs since a later time than planned was restarted already."""

    parameters: ClassVar[type[Parameters]] = Restart

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        refuse_paused(seen)
        text = f"Restart the container {seen.name} ({seen.words()}){docker_precheck.words(terms, seen)}"
        return Planned(target(seen.name), text[:200], facts(seen, stop_within=_stop_within(scene)))

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        if (done := self._already(seen, planned)) is not None:
            return done
        checked = docker_precheck.check(engine, terms, seen, scene.parameters)
        if checked:  # it took its time
            seen = present(engine, seen.name)
            if (done := self._already(seen, planned)) is not None:
                return done
        # Its own time must end before ours does: an answer that does not come is the worst of all.
        seconds = min(planned.data["stop_within"], max(1, int(engine.left / 2)))
        engine.restart(seen.id, seconds)
        text = f"Restarted the container {seen.name}{' after its pre-check' if checked else ''}"
        return self.started(text, latest(engine, seen))

    def _already(self, seen: Seen, planned: Planned) -> Done | None:
        refuse_paused(seen)
        if seen.started == planned.data["started_at"]:
            return None
        again = seen.facts.restarts > planned.data["restarts"]
        by = "by Docker itself" if again else "by somebody else"
        when = f" at {seen.facts.started_at:%H:%M:%S} UTC" if seen.facts.started_at else ""
        return self.started(f"{seen.name} was restarted since, {by}{when}; not restarted again", seen)

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        before = planned.data["started_at"]
        seconds = MARGIN if seen.ended else planned.data["stop_within"] + MARGIN
        now = watch(engine, seen, seconds, lambda seen: seen.started != before)
        if now is None:
            return None
        if now.started == before:
            return False
        # Docker's own restarts count up, anybody else's begin anew: then it is not clear what ours did.
        return None if now.facts.restarts > planned.data["restarts"] else True


class StartContainer(ContainerChange):
    """A container that runs is left as it is."""

    parameters: ClassVar[type[Parameters]] = Start

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        refuse_paused(seen)
        if not seen.ended:
            return None
        return Planned(target(seen.name), f"Start the container {seen.name} ({seen.words()})", facts(seen))

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        refuse_paused(seen)
        if not seen.ended:
            return self.started(f"{seen.name} runs already, it was not started again", seen)
        if seen.started != planned.data["started_at"]:
            return self.started(f"{seen.name} was started since and ended again; not started again", seen)
        engine.start(seen.id)
        return self.started(f"Started the container {seen.name}", latest(engine, seen))

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        before = planned.data["started_at"]
        now = watch(engine, seen, MARGIN, lambda seen: seen.started != before)
        return None if now is None else now.started != before


def _stop_within(scene: Scene) -> int:
    return int(scene.parameters.stop_within.total_seconds())
