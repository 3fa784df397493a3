"""An action as runbooks use it: what is handed from step to step goes through JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from incident_response.actions.kit import Kit
from incident_response.actions.registry import Actions
from incident_response.domain.actions import Done, Finding, Planned, Scene
from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.ports import AirflowRest
from incident_response.domain.records import Sighting
from incident_response.domain.services import ServiceMap
from incident_response.domain.severities import Scenario
from incident_response.parameters.registry import MODELS
from tests.support import scenes


def kit(airflow: AirflowRest, services: ServiceMap | None = None, now: datetime | None = None) -> Kit:
    """The outside world of an action that only knows Airflow; `now`: the clock stands still."""
    lookout: Any = None
    return Kit(
        find=lambda _: None,
        airflow=airflow,
        services=lambda: services or ServiceMap(),
        lookout=lookout,
        now=lambda: now or datetime.now(timezone.utc),
    )


class Step:
    """One step of a runbook; `said` is all that people would read, for a search after secrets."""

    said: list[str] = []

    def __init__(self, kit: Kit, action: str, sightings: Sequence[Sighting] = (), **parameters: Any) -> None:
        model = MODELS[action].model_validate(parameters)
        self.action, self._action = action, Actions(kit).get(action)
        about = scenes.incident("pipelines", Scenario.DAG_FAILURE)
        self.scene: Scene = scenes.scene(about, model, sightings)

    def after(self, **found: Mapping[str, Any]) -> Step:
        """With what earlier steps have found."""
        self.scene = replace(self.scene, found=_through_json(found))
        return self

    def look(self, **fields: Any) -> Finding:
        finding: Finding = self._tell(lambda: self._action.look(replace(self.scene, **fields)))
        self.said += [finding.text, json.dumps(finding.data), *(one.content for one in finding.exhibits)]
        assert len(finding.text) <= 200
        assert all(len(one.content) <= 65_536 for one in finding.exhibits)
        return finding

    def plan(self) -> list[Planned]:
        planned = self._tell(lambda: self._action.plan(self.scene))
        self.said += [one.text for one in planned]
        assert all(len(one.text) <= 200 for one in planned)
        assert len({one.target for one in planned}) == len(planned)
        return [replace(one, data=_through_json(one.data)) for one in planned]

    def apply(self, planned: Planned) -> Done:
        return self._done(self._tell(lambda: self._action.apply(self.scene, planned)))

    def happened(self, planned: Planned) -> bool | None:
        found: bool | None = self._tell(lambda: self._action.happened(self.scene, planned))
        return found

    def undo(self, planned: Planned, done: Done) -> Done | None:
        undone = self._tell(lambda: self._action.undo(self.scene, planned, done))
        return self._done(undone) if undone else None

    def _done(self, done: Done) -> Done:
        self.said.append(done.text)
        assert len(done.text) <= 200
        return Done(done.text, _through_json(done.data))

    def _tell(self, call: Any) -> Any:
        try:
            return call()
        except IncidentResponseError as error:
            self.said.append(str(error))
            raise


def _through_json(data: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(data))


def planned(target: str, data: Mapping[str, Any]) -> Planned:
    """A line of a plan from another time."""
    return Planned(target, "", _through_json(data))


def done(data: Mapping[str, Any]) -> Done:
    """What was done, as far as somebody has written it down."""
    return Done("", data)
