"""Which containers an action is about, and which of them may be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from incident_response.domain.actions import Scene
from incident_response.domain.errors import Refused
from incident_response.domain.services import Container, ServiceMap

from .docker_container import NAME

_LABELS = ("container", "container_name", "name")  # in which monitoring systems name containers
FILE = "include/policy/services.yaml"


def targets(scene: Scene, services: ServiceMap) -> tuple[str, ...]:
    """Names of containers: the step's own, else those of the incident's service. May be empty.

    Signals of other services are kept with an incident as its consequences: their containers are not meant.
    """
    if scene.parameters.containers:
        return tuple(dict.fromkeys(scene.parameters.containers))
    every = list(scene.sightings)
    for chosen in ([sighting for sighting in every if sighting.firing], every):
        found = (
            name
            for sighting in chosen
            if services.name(sighting.labels) == scene.incident.service
            for name in _named(sighting.labels, services)
        )
        if names := tuple(dict.fromkeys(found)):
            return names
    return container_of(scene.incident.service, services)


def container_of(service: str | None, services: ServiceMap) -> tuple[str, ...]:
    """The container of a service; one that no map knows is taken for a container by its own name."""
    if not service:
        return ()
    known = services.service(service)
    if known is None:
        return (service,) if NAME.fullmatch(service) else ()
    return (known.container.name,) if known.container else ()


def allowed(name: str, services: ServiceMap) -> Container:
    """What holds for a container that may be changed. Raises Refused for every other."""
    terms = services.container(name)
    if terms is None:
        raise Refused(
            f"the container {name} may not be changed by runbooks: it is not on the allow list; add "
            f"`container: {{name: {name}, automation: true}}` to its service in {FILE}"
        )
    if not terms.automation:
        raise Refused(
            f"the container {name} may not be changed by runbooks: its `container` in {FILE} does not say "
            "`automation: true`; do it by hand, or set that field"
        )
    return terms


def allowed_targets(scene: Scene, services: ServiceMap) -> list[Container]:
    """What is to be changed. Raises Refused when anything of it may not be, or nothing is known."""
    names = targets(scene, services)
    if not names:
        raise Refused(
            f"no container is known for the service {scene.incident.service!r}; name it in the step's "
            f"`containers`, or give the service a `container` in {FILE}"
        )
    return [allowed(name, services) for name in names]


def _named(labels: Mapping[str, str], services: ServiceMap) -> Iterator[str]:
    for label in _LABELS:
        value = labels.get(label)
        if value and NAME.fullmatch(value):
            known = services.service(value)
            yield known.container.name if known and known.container else value
            return
