"""airflow.set_switch: an Airflow variable that pipelines read as a feature switch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import AirflowRefused, Refused
from incident_response.domain.redaction import MASK, one_line, redact
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_records import did
from .kit import Kit

_SHOWN = 60  # characters of a value


class SetSwitch:
    """What Airflow masks could not be put back, and is no switch."""

    parameters: ClassVar[type[Parameters]] = models.SetSwitch

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """With the value from before; None: there was no such variable."""
        name, value = scene.parameters.name, scene.parameters.value
        before = _value(Bounded(self._kit.airflow, scene.seconds), name)
        for one in (value, before):
            if one is not None and _is_secret(name, one):
                raise Refused(
                    f"The variable {name} looks like a secret: it could not be shown, or put back; "
                    "use a name and a value that do not"
                )
        if before is not None and _same(before, value):
            return []
        was = f"now {_shown(before)}" if before is not None else "not defined now"
        text = f"Set the variable {name} to {_shown(value)}; {was}"
        return [Planned(f"variable:{name}", one_line(text, 200), {"name": name, "before": before})]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Unless somebody has changed it since the plan."""
        api = Bounded(self._kit.airflow, scene.seconds)
        name, value, before = planned.data["name"], scene.parameters.value, planned.data["before"]
        now = _value(api, name)
        if now is not None and _same(now, value):
            return did(f"The variable {name} was {_shown(value)} already")
        if now is None and before is None:
            api.post("/variables", {"key": name, "value": value})
        elif now is not None and before is not None and _same(now, before):
            _patch(api, name, value)
        else:
            raise Refused(f"Somebody else has changed the variable {name} since the plan; look at it first")
        return did(f"Set the variable {name} to {_shown(value)}")

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """By its value; None when it is neither the new one nor the one from before."""
        now = _value(Bounded(self._kit.airflow, scene.seconds), planned.data["name"])
        if now is not None and _same(now, scene.parameters.value):
            return True
        before = planned.data["before"]
        is_before = now is None if before is None else now is not None and _same(now, before)
        return False if is_before else None

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """The value from before, unless somebody has changed it since."""
        api = Bounded(self._kit.airflow, scene.seconds)
        name, before = planned.data["name"], planned.data["before"]
        now = _value(api, name)
        if now is None if before is None else now is not None and _same(now, before):
            return did(f"The variable {name} is as before already")
        if now is None or not _same(now, scene.parameters.value):
            return did(f"The variable {name} stays: somebody has changed it since")
        if before is None:
            _delete(api, name)
            return did(f"Deleted the variable {name}, which was not there before")
        _patch(api, name, before)
        return did(f"The variable {name} is {_shown(before)} again")


def _path(name: str) -> str:
    return f"/variables/{quote(name, safe='')}"


def _value(api: Bounded, name: str) -> str | None:
    row = api.find(_path(name))
    return None if row is None else str(row["value"])


def _patch(api: Bounded, name: str, value: str) -> None:
    api.patch(_path(name), {"key": name, "value": value})


def _delete(api: Bounded, name: str) -> None:
    action = {"action": "delete", "entities": [name], "action_on_non_existence": "skip"}
    answer = api.patch("/variables", {"actions": [action]})
    # A bulk request answers 200 also when it was refused.
    if errors := (answer.get("delete") or {}).get("errors"):
        raise AirflowRefused(f"DELETE {_path(name)}: {errors[0].get('error')}", status=409)


def _same(one: str, other: str) -> bool:
    """Airflow writes JSON its own way when it shows a variable. As text: in Python 1 equals True."""
    return _normal(one) == _normal(other)


def _normal(text: str) -> str:
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return text


def _is_secret(name: str, value: str) -> bool:
    told = f"{name}={value}"
    return MASK in value or redact(told) != told


def _shown(value: str) -> str:
    line = " ".join(value.split())
    return repr(line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…")
