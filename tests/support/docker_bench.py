"""What the tests of the docker actions share: a kit on a real engine, and a map of services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from incident_response.actions.docker_steps import ACTIONS
from incident_response.actions.kit import Kit
from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.connections import Connection
from incident_response.domain.records import Sighting
from incident_response.domain.services import Container, Service, ServiceMap
from incident_response.domain.witnesses import Witnessed
from tests.support.scenes import incident, scene

CLASSES = {action.parameters.action: action for action in ACTIONS}


def service(name: str, *needs: str, **terms: Any) -> Service:
    """A service in a container of its name, which runbooks may change."""
    return Service(name, (), needs, Container(name, **({"automation": True} | terms)))


@dataclass
class Bench:
    """Runs single steps for the incident of one service."""

    url: str
    services: ServiceMap
    about: str = "api"
    sightings: Sequence[Sighting] = ()
    shift: timedelta = timedelta()
    started_at: datetime | None = None
    pages: dict[str, Witnessed] = field(default_factory=dict)  # what health pages say, by service

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + self.shift

    def action(self, name: str) -> Any:
        connections = {
            name: Connection(host=self.url)
            for name in ("incident_response_docker", "incident_response_docker_write")
        }
        unused = cast(Any, None)  # these actions speak with the engine only
        return CLASSES[name](
            Kit(connections.get, unused, lambda: self.services, unused, self.now, self._pages)
        )

    def _pages(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        return {name: self.pages[name] for name in services if name in self.pages}

    def scene(self, name: str, seconds: float = 20, done: Sequence[Done] = (), **parameters: Any) -> Scene:
        model = CLASSES[name].parameters.model_validate(parameters)
        return scene(
            incident(self.about),
            model,
            self.sightings,
            seconds=seconds,
            done={str(place): through_json(one.data) for place, one in enumerate(done)},
            started_at=self.started_at,
        )

    def look(self, name: str, done: Sequence[Done] = (), **parameters: Any) -> Finding:
        found = self.action(name).look(self.scene(name, done=done, **parameters))
        assert isinstance(found, Finding)
        through_json(found.data)
        assert len(found.text) <= 200
        return found

    def plan(self, name: str, **parameters: Any) -> list[Planned]:
        """As the store gives it back."""
        found = self.action(name).plan(self.scene(name, **parameters))
        assert all(len(one.text) <= 200 for one in found)
        return [replace(one, data=through_json(one.data)) for one in found]

    def apply(self, name: str, planned: Planned, seconds: float = 20, **parameters: Any) -> Done:
        done = self.action(name).apply(self.scene(name, seconds, **parameters), planned)
        assert isinstance(done, Done)
        assert len(done.text) <= 200
        return replace(done, data=through_json(done.data))

    def happened(self, name: str, planned: Planned, **parameters: Any) -> bool | None:
        answer = self.action(name).happened(self.scene(name, **parameters), planned)
        assert answer is None or isinstance(answer, bool)
        return answer

    def undo(self, name: str, planned: Planned, done: Done, **parameters: Any) -> Done | None:
        answer = self.action(name).undo(self.scene(name, **parameters), planned, done)
        assert answer is None or isinstance(answer, Done)
        return answer

    def do(self, name: str, **parameters: Any) -> Done:
        """Plan one thing and do it."""
        [planned] = self.plan(name, **parameters)
        return self.apply(name, planned, **parameters)


def through_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """What does not survive JSON is an error."""
    found: dict[str, Any] = json.loads(json.dumps(data))
    return found
