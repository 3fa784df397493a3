"""Kit: what actions work with. An action is made for each call and keeps nothing between calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.domain.ports import AirflowRest
from incident_response.domain.records import Sighting
from incident_response.domain.services import ServiceMap
from incident_response.domain.witnesses import Witnessed
from incident_response.parameters.base import Parameters


class Lookout(Protocol):
    """The detectors, asked out of turn."""

    def still_firing(
        self, sightings: Sequence[Sighting], now: datetime
    ) -> tuple[Sequence[Sighting], Sequence[Sighting]]:
        """Look at the sources that saw these: those that still fire, and those that nobody can look at again
        (told by a person, a webhook, a callback). Raises SourceUnavailable, NotConfigured.
        """


@dataclass(frozen=True)
class Kit:
    """The outside world, as bootstrap has wired it."""

    find: Callable[[str], Connection | None]  # an Airflow connection by id
    airflow: AirflowRest
    services: Callable[[], ServiceMap]  # include/policy/services.yaml and what Airflow knows of its DAGs
    lookout: Lookout
    now: Callable[[], datetime]
    # (names of services, now) → what their health pages say; those without one are not in the answer
    pages: Callable[[Sequence[str], datetime], Mapping[str, Witnessed]] = lambda services, now: {}

    def connection(self, conn_id: str) -> Connection:
        """An Airflow connection. Raises NotConfigured, which names the remedy."""
        found = self.find(conn_id)
        if found is None:
            raise NotConfigured(
                f"the Airflow connection {conn_id!r} is not defined; define it on the connections page or as "
                f"AIRFLOW_CONN_{conn_id.upper()}"
            )
        return found


class ActionType(Protocol):
    """A class of actions: its parameters' model, and how one is made. What it can do is in domain.actions."""

    parameters: type[Parameters]

    def __call__(self, kit: Kit) -> Any:
        """An action: Looking, Checking or Changing, as its model says."""
