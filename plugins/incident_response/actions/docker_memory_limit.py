"""docker.raise_memory: give containers more memory, within a ceiling."""

from __future__ import annotations

from typing import ClassVar

from incident_response.clients.docker_facts import used
from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.services import Container
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import RaiseMemory
from incident_response.sizes import size_in_words

from .docker_changing import ContainerChange, facts, same, target
from .docker_container import Seen
from .docker_looking import writing
from .docker_targets import FILE, allowed

_PAGE = 4096  # bytes; the kernel counts in them
_UNLIMITED = -1


class RaiseMemoryLimit(ContainerChange):
    """The limit is changed under the running container, nothing is restarted."""

    parameters: ClassVar[type[Parameters]] = RaiseMemory

    def _plan(self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen) -> Planned | None:
        old, swap = seen.facts.memory_limit, seen.swap
        if not old:
            raise Refused(f"the container {seen.name} has no memory limit, there is nothing to raise")
        ceiling = _ceiling(scene.parameters, terms)
        new = min(int(old * scene.parameters.factor), ceiling) // _PAGE * _PAGE
        if new <= old:
            raise Refused(
                f"the memory limit of {seen.name} is {size_in_words(old)} and its ceiling "
                f"{size_in_words(ceiling)}: it is not raised; find out what takes the memory, or raise "
                f"`memory_ceiling` of its container in {FILE}"
            )
        text = (
            f"Raise the memory limit of the container {seen.name} from {size_in_words(old)} to "
            f"{size_in_words(new)}{', its ceiling' if new > ceiling - _PAGE else ''}"
        )
        # What it may use of the swap stays the same.
        new_swap = new + swap - old if swap > 0 else _UNLIMITED
        data = facts(seen, old=old, old_swap=swap or _UNLIMITED, new=new, new_swap=new_swap)
        return Planned(target(seen.name), text, data)

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        new = planned.data["new"]
        if seen.facts.memory_limit == new:
            return self.done(f"{seen.name} has {size_in_words(new)} of memory already", seen)
        _as_it_was(seen, planned.data["old"])
        if new > _ceiling(scene.parameters, terms):
            raise Refused(f"the ceiling of {seen.name} was lowered since this was planned; plan it again")
        engine.limit_memory(seen.id, new, planned.data["new_swap"])
        old = size_in_words(planned.data["old"])
        return self.done(
            f"Raised the memory limit of {seen.name} from {old} to {size_in_words(new)}", seen, raised=True
        )

    def _happened(self, engine: WritingEngine, seen: Seen, planned: Planned) -> bool | None:
        limit = seen.facts.memory_limit
        return {planned.data["new"]: True, planned.data["old"]: False}.get(limit)

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """The old limit, unless it is used up. Raises Refused, SourceUnavailable, NotConfigured,
        OutcomeUnknown.
        """
        if not done.data.get("raised"):
            return None
        old = planned.data["old"]
        allowed(planned.data["container"], self._kit.services())
        with writing(self._kit, scene) as engine:
            seen = same(engine, planned)
            if seen.facts.memory_limit == old:
                return self.done(f"{seen.name} has its memory limit of {size_in_words(old)} again", seen)
            _as_it_was(seen, planned.data["new"])
            figures = used(engine.stats(seen.id) or {}) if seen.running else None
            if figures is not None and figures[0] >= old:
                raise Refused(
                    f"{seen.name} uses {size_in_words(figures[0])} of memory: with its old limit of "
                    f"{size_in_words(old)} it would be killed; restart it first"
                )
            engine.limit_memory(seen.id, old, planned.data["old_swap"])
            return self.done(f"Put the memory limit of {seen.name} back to {size_in_words(old)}", seen)


def _ceiling(parameters: RaiseMemory, terms: Container) -> int:
    known = [size for size in (parameters.ceiling, terms.memory_ceiling) if size is not None]
    if not known:
        raise Refused(
            f"no ceiling is given for the memory of {terms.name}; set `memory_ceiling` of its container in "
            f"{FILE}, or `ceiling` in the step"
        )
    return min(known)


def _as_it_was(seen: Seen, expected: int) -> None:
    if seen.facts.memory_limit != expected:
        raise Refused(
            f"the memory limit of {seen.name} was changed by somebody since this was planned: it is "
            f"{size_in_words(seen.facts.memory_limit)}, not {size_in_words(expected)}; plan it again"
        )
