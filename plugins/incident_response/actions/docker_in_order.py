"""docker.restart_in_order: what is down is restarted, dependencies first; what runs behind them is not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from incident_response.clients.docker_writing import WritingEngine
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused, SourceUnavailable
from incident_response.domain.services import Container
from incident_response.domain.times import in_words
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import RestartInOrder

from .docker_changing import present
from .docker_container import Seen, Verdict, judge, see
from .docker_dependencies import Link, chain
from .docker_looking import writing
from .docker_restart import RestartContainer
from .docker_targets import FILE, allowed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between two looks: most come up at once, some take minutes


class RestartContainersInOrder(RestartContainer):
    """One container after the other; each waits for those it needs, and then for itself."""

    parameters: ClassVar[type[Parameters]] = RestartInOrder

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """Only what is down itself. Raises Refused, SourceUnavailable, NotConfigured."""
        services, now = self._kit.services(), self._kit.now()
        name = scene.parameters.service or scene.incident.service
        known = services.service(name) if name else None
        if known is None:
            raise Refused(f"what {name or 'this'} depends on is not known; add it to {FILE}")
        found: list[Planned] = []
        with writing(self._kit, scene) as engine:
            links = chain(engine, services, (*services.in_order(known.name), known.name))
            planned: dict[str, str] = {}  # service: container
            for link in links:
                upstreams = services.upstreams(link.service)
                after = [container for service, container in planned.items() if service in upstreams]
                if not _is_meant(link, after, link.is_down(now)):
                    continue
                terms = allowed(link.terms.name, services)
                one = self._plan(scene, engine, terms, present(engine, terms.name))
                assert one is not None
                grace = f", wait until it is healthy (at most {in_words(terms.start_grace)})"
                text = f"{one.text}{grace}"[:200]
                found.append(replace(one, text=text, data={**one.data, "after": after}))
                planned[link.service] = terms.name
        return found

    def _apply(
        self, scene: Scene, engine: WritingEngine, terms: Container, seen: Seen, planned: Planned
    ) -> Done:
        services = self._kit.services()
        for name in planned.data["after"]:
            grace = (services.container(name) or Container(name)).start_grace
            verdict = self._wait(scene, engine, name, grace, engine.left / 3)
            if verdict.proven is not True:
                raise Refused(f"{seen.name} was not restarted, as it needs {name}: {verdict.text}")
        done = super()._apply(scene, engine, terms, seen, planned)
        seconds = min(terms.start_grace.total_seconds() + 1, engine.left - 1)
        try:
            verdict = self._wait(scene, engine, seen.name, terms.start_grace, seconds)
        except SourceUnavailable:  # it is restarted all the same; the check will tell
            verdict = Verdict(None, "whether it is healthy is not known, the engine does not answer")
        return Done(f"{done.text}; {verdict.text}"[:200], {**done.data, "healthy": verdict.proven})

    def _wait(
        self, scene: Scene, engine: WritingEngine, name: str, grace: timedelta, seconds: float
    ) -> Verdict:
        """Until it is known, or the time is over."""
        deadline = time.monotonic() + seconds
        settle: timedelta = scene.parameters.settle
        pause = _FIRST_PAUSE
        while True:
            verdict = judge(name, see(engine, name), grace, settle, self._kit.now(), None)
            if verdict.proven is not None or time.monotonic() + pause > deadline:
                return verdict
            time.sleep(pause)
            pause = min(pause * 1.1, _LONGEST_PAUSE)


def _is_meant(link: Link, after: Sequence[str], down: bool) -> bool:
    """One that runs behind a dependency that is down is unhealthy because of it."""
    if not down:
        return False
    return not (after and link.seen is not None and link.seen.running)
