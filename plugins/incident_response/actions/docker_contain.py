"""docker.stop, docker.pause, docker.unpause: take containers out of the way, and put them back."""

from __future__ import annotations

from typing import ClassVar

from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.services import Container
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Pause, Stop, Unpause

from .docker_changing import ContainerChange, facts, latest, refuse_paused, same, target, watch
from .docker_container import Seen
from .docker_looking import writing
from .docker_restart import MARGIN
from .docker_targets import allowed


class StopContainer(ContainerChange):
    """Undone by starting it again."""

    parameters: ClassVar[type[Parameters]] = Stop

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        refuse_paused(seen)
        if seen.ended:
            return None
        seconds = int(scene.parameters.stop_within.total_seconds())
        text = f"Stop the container {seen.name} ({seen.words()})"
        return Planned(target(seen.name), text, facts(seen, stop_within=seconds))

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        refuse_paused(seen)
        if seen.ended:
            return self.done(f"{seen.name} did not run any more, it was not stopped", seen, stopped=False)
        engine.stop(seen.id, min(planned.data["stop_within"], max(1, int(engine.left / 2))))
        return self.done(f"Stopped the container {seen.name}", seen, stopped=True)

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        now = watch(engine, seen, planned.data["stop_within"] + MARGIN, lambda seen: seen.ended)
        if now is None:
            return None
        if now.ended:
            return True
        return False if now.started == planned.data["started_at"] else None  # started again since

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Start it, unless it runs. Raises Refused, SourceUnavailable, NotConfigured, OutcomeUnknown."""
        if not done.data.get("stopped"):
            return None  # not ours to start
        allowed(planned.data["container"], self._kit.services())
        with writing(self._kit, scene) as engine:
            seen = same(engine, planned)
            if not seen.ended:
                return self.started(f"{seen.name} runs already, it was not started again", seen)
            engine.start(seen.id)
            return self.started(f"Started the container {seen.name} again", latest(engine, seen))


class PauseContainer(ContainerChange):
    """Undone by letting it go on."""

    parameters: ClassVar[type[Parameters]] = Pause

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        if not seen.running:
            return None  # frozen already, or nothing to freeze
        return Planned(target(seen.name), f"Pause the container {seen.name} ({seen.words()})", facts(seen))

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        if seen.state == "paused":
            return self.done(f"{seen.name} was paused already", seen, paused=False)
        if not seen.running:
            raise Refused(f"the container {seen.name} cannot be paused any more, it {seen.words()}")
        engine.pause(seen.id)
        return self.done(f"Paused the container {seen.name}", seen, paused=True)

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        return {"paused": True, "running": False}.get(seen.state)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """Let it go on, unless it does. Raises Refused, SourceUnavailable, NotConfigured, OutcomeUnknown."""
        if not done.data.get("paused"):
            return None  # somebody else paused it
        allowed(planned.data["container"], self._kit.services())
        with writing(self._kit, scene) as engine:
            return _go_on(self, engine, same(engine, planned))


class UnpauseContainer(ContainerChange):
    """What was paused by hand or by another runbook goes on where it stood."""

    parameters: ClassVar[type[Parameters]] = Unpause

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        if seen.state != "paused":
            return None
        return Planned(target(seen.name), f"Unpause the container {seen.name}", facts(seen))

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        return _go_on(self, engine, seen)

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        return {"paused": False, "running": True}.get(seen.state)


def _go_on(change: ContainerChange, engine: WritingEngine, seen: Seen) -> Done:
    if seen.state != "paused":
        return change.started(f"{seen.name} was not paused any more, it {seen.words()}", seen)
    engine.unpause(seen.id)
    return change.started(f"Unpaused the container {seen.name}", latest(engine, seen))
