"""What all docker actions that change something share: plan, apply and look again, for one container each."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused, SourceUnavailable
from incident_response.domain.services import Container

from .docker_container import Seen, see
from .docker_looking import writing
from .docker_targets import allowed, allowed_targets
from .kit import Kit

_PAUSE = 0.3  # seconds between two looks


class ContainerChange(ABC):
    """Plans for every container of the step; everything of it has to be on the allow list."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """What would be done to each container. Raises Refused, SourceUnavailable, NotConfigured."""
        terms = allowed_targets(scene, self._kit.services())
        with writing(self._kit, scene) as engine:
            found = [self._plan(scene, engine, one, present(engine, one.name)) for one in terms]
        return [planned for planned in found if planned is not None]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Do it to one container. Raises Refused, SourceUnavailable, NotConfigured, OutcomeUnknown."""
        terms = allowed(planned.data["container"], self._kit.services())
        with writing(self._kit, scene) as engine:
            return self._apply(scene, engine, terms, same(engine, planned), planned)

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """None when the container is gone or another one: then nobody can tell."""
        with writing(self._kit, scene) as engine:
            seen = see(engine, planned.data["container"])
            if seen is None or seen.id != planned.data["id"]:
                return None
            return self._happened(engine, seen, planned)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """None: this cannot be undone."""
        return None

    @abstractmethod
    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        """None: there is nothing to do to this one."""

    @abstractmethod
    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        """`seen` is the container that was planned for, as it stands now."""

    @abstractmethod
    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        """`seen` is the container that was planned for."""

    def done(self, text: str, seen: Seen, **more: Any) -> Done:
        """What was done to a container."""
        return Done(text, {"container": seen.name, "id": seen.id, "at": self._kit.now().isoformat(), **more})

    def started(self, text: str, seen: Seen, **more: Any) -> Done:
        """It runs, or should: the check will prove that it works."""
        return self.done(text, seen, started_at=seen.started, restarts=seen.facts.restarts, **more)


def present(engine: Engine, name: str) -> Seen:
    """The container. Raises Refused when there is none."""
    seen = see(engine, name)
    if seen is None:
        raise Refused(f"the container {name} does not exist; create it: docker compose up -d {name}")
    if seen.state in ("dead", "removing"):
        raise Refused(f"the container {name} is {seen.state}; remove it and create it again")
    return seen


def latest(engine: Engine, seen: Seen) -> Seen:
    """The container after it was changed; as it was seen last when the engine does not say.

    No error: it would tell that nothing was done.
    """
    try:
        return see(engine, seen.name) or seen
    except SourceUnavailable:
        return seen


def same(engine: Engine, planned: Planned) -> Seen:
    """The very container that was planned for. Raises Refused when it is gone or another one."""
    seen = present(engine, planned.data["container"])
    if seen.id != planned.data["id"]:
        raise Refused(
            f"the container {seen.name} was created anew since this was planned "
            f"({planned.data['id'][:12]} is now {seen.id[:12]}); plan it again"
        )
    return seen


def target(name: str) -> str:
    """Of a Planned."""
    return f"container:{name}"


def facts(seen: Seen, **more: Any) -> Mapping[str, Any]:
    """What apply, happened and undo need of a container as it was when it was planned."""
    return {
        "container": seen.name,
        "id": seen.id,
        "started_at": seen.started,
        "restarts": seen.facts.restarts,
        "state": seen.state,
        **more,
    }


def watch(engine: Engine, seen: Seen, seconds: float, until: Callable[[Seen], bool]) -> Seen | None:
    """Look on for some seconds, until the container is as wanted. None when it is gone.

    The engine goes on with what it was asked for when nobody waits for its answer any more: a container that
    is being stopped still runs.
    """
    deadline = time.monotonic() + min(seconds, engine.left / 2)
    now: Seen | None = seen
    while now is not None and now.id == seen.id and not until(now) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        now = see(engine, seen.name)
    return now if now is not None and now.id == seen.id else None


def refuse_paused(seen: Seen) -> None:
    """Whoever paused it meant it. Raises Refused."""
    if seen.state == "paused":
        raise Refused(f"the container {seen.name} is paused; find out who paused it, then unpause it first")
