"""docker.dependencies: what a service depends on, and what of it is down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from incident_response.clients.docker_api import Engine
from incident_response.domain.actions import Finding, Scene
from incident_response.domain.services import Container, ServiceMap
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Dependencies

from .docker_container import Seen, see
from .docker_looking import MOST, joined, reading
from .docker_targets import FILE
from .kit import Kit


@dataclass(frozen=True)
class Link:
    """One service of a chain, and its container."""

    service: str
    terms: Container
    seen: Seen | None  # None: there is no such container, and there should be

    def is_down(self, now: datetime) -> bool:
        """Does not do its work."""
        return self.seen is None or self.seen.is_down(self.terms.start_grace, now)

    def words(self) -> str:
        """`keycloak exited with code 137`."""
        return f"{self.terms.name} {self.seen.words() if self.seen else 'does not exist'}"


def chain(engine: Engine, services: ServiceMap, wanted: Sequence[str]) -> list[Link]:
    """The containers of these services, in the order given.

    A service without a `container` in the map may have one of its name; when there is none, it has none.
    """
    found: list[Link] = []
    for name in wanted:
        service = services.service(name)
        if service is None:
            continue  # a DAG, or something that only Airflow knows
        seen = see(engine, service.container.name if service.container else service.name)
        if service.container or seen:
            found.append(Link(service.name, service.container or Container(service.name), seen))
    return found


class ContainerDependencies:
    """Looks at everything upstream of a service; whether the service itself is down is another question."""

    parameters: ClassVar[type[Parameters]] = Dependencies

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Raises SourceUnavailable, NotConfigured."""
        services, now = self._kit.services(), self._kit.now()
        name = scene.parameters.service or scene.incident.service
        known = services.service(name) if name else None
        if known is None:
            return Finding(f"What {name or 'this'} depends on is not known; add it to {FILE}")
        with reading(self._kit, scene) as engine:
            links = chain(engine, services, services.in_order(known.name))
        down = [link for link in links if link.is_down(now)]
        data: dict[str, Any] = {
            "service": known.name,
            "down": [link.terms.name for link in down][:MOST],
            "order": [link.terms.name for link in links][:MOST],
        }
        if not links:
            return Finding(f"{known.name} depends on no container", data)
        if not down:
            names = ", ".join(link.terms.name for link in links)
            return Finding(joined([f"All containers that {known.name} depends on are up: {names}"]), data)
        text = f"{known.name} depends on what is down: {'; '.join(link.words() for link in down)}"
        return Finding(joined([text]), data, (), ("dependency_down",))
