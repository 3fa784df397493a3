"""airflow.pause and airflow.unpause: DAGs, with those that feed on them, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from incident_response.clients.airflow_states import dag_path
from incident_response.domain.actions import Done, Planned, Scene
from incident_response.domain.errors import Refused
from incident_response.domain.redaction import one_line
from incident_response.parameters import airflow_steps as models
from incident_response.parameters.base import Parameters

from .airflow_bounds import Bounded
from .airflow_reading import gone
from .airflow_records import did, listed
from .kit import Kit

_MOST_ASKED = 100  # downstream services that are looked up: which of them is a DAG, only Airflow knows


class _Toggle:
    """Both ways are the same."""

    pauses: ClassVar[bool]

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def plan(self, scene: Scene) -> Sequence[Planned]:
        """One for each DAG that is not so yet."""
        api = Bounded(self._kit.airflow, scene.seconds)
        named = _named(scene)
        dags = {dag_id: self._existing(api, dag_id) for dag_id in named} | self._consumers(api, scene, named)
        if len(dags) > scene.parameters.most:
            raise Refused(
                f"{len(dags)} DAGs are meant, more than {scene.parameters.most}: {listed(dags)}; "
                "name those that matter in `dags`, or raise `most`"
            )
        return [
            self._planned(dag_id, dag_id in named)
            for dag_id, dag in dags.items()
            if bool(dag["is_paused"]) != self.pauses
        ]

    def apply(self, scene: Scene, planned: Planned) -> Done:
        """Unless it is so already: then it was somebody else, and `undo` leaves it as it is."""
        api, dag_id = Bounded(self._kit.airflow, scene.seconds), planned.data["dag_id"]
        if bool(self._existing(api, dag_id)["is_paused"]) == self.pauses:
            return did(f"DAG {dag_id} was {_word(self.pauses)} already, by somebody else", {"ours": False})
        _set(api, dag_id, self.pauses)
        return did(f"DAG {dag_id} is {_word(self.pauses)}", {"ours": True})

    def happened(self, scene: Scene, planned: Planned) -> bool | None:
        """By its state."""
        dag = Bounded(self._kit.airflow, scene.seconds).find(dag_path(planned.data["dag_id"]))
        return None if dag is None else bool(dag["is_paused"]) == self.pauses

    def undo(self, scene: Scene, planned: Planned, done: Done) -> Done | None:
        """The state from before, if it was we who changed it, and nobody has since."""
        api, dag_id = Bounded(self._kit.airflow, scene.seconds), planned.data["dag_id"]
        if not done.data.get(
            "ours", True
        ):  # after an interruption nobody has written it down: it was planned
            return did(f"DAG {dag_id} stays {_word(self.pauses)}: it was not this step that did it")
        if bool(self._existing(api, dag_id)["is_paused"]) != self.pauses:
            return did(f"DAG {dag_id} is {_word(not self.pauses)} already")
        _set(api, dag_id, not self.pauses)
        return did(f"DAG {dag_id} is {_word(not self.pauses)} again")

    def _existing(self, api: Bounded, dag_id: str) -> Mapping[str, Any]:
        dag: Mapping[str, Any] | None = api.find(dag_path(dag_id))
        if dag is None or (dag.get("is_stale") and not self.pauses):
            raise Refused(gone(dag_id, dag))
        return dag

    def _consumers(self, api: Bounded, scene: Scene, named: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        if not getattr(scene.parameters, "consumers", False):
            return {}
        services = self._kit.services()
        below = sorted({name for dag_id in named for name in services.downstreams(dag_id)} - set(named))
        if len(below) > _MOST_ASKED:
            raise Refused(
                f"{len(below)} services are downstream, more than {_MOST_ASKED}; name DAGs in `dags`"
            )
        found = {name: api.find(dag_path(name)) for name in below}
        return {name: dag for name, dag in found.items() if dag is not None and not dag.get("is_stale")}

    def _planned(self, dag_id: str, is_named: bool) -> Planned:
        text = f"{'Pause' if self.pauses else 'Unpause'} the DAG {dag_id}"
        feeds = "" if is_named else ", which feeds on what has failed"
        data = {"dag_id": dag_id, "was_paused": not self.pauses}
        return Planned(f"dag:{dag_id}", one_line(f"{text}{feeds}", 200), data)


class Pause(_Toggle):
    """Pauses."""

    parameters: ClassVar[type[Parameters]] = models.Pause
    pauses = True


class Unpause(_Toggle):
    """Unpauses."""

    parameters: ClassVar[type[Parameters]] = models.Unpause
    pauses = False


def _named(scene: Scene) -> list[str]:
    told = scene.parameters.dags or (s.labels.get("dag_id", "") for s in scene.sightings)
    named = list(dict.fromkeys(dag_id for dag_id in told if dag_id))
    if not named:
        raise Refused("No signal of the incident names a DAG; name them in `dags`")
    return named


def _set(api: Bounded, dag_id: str, paused: bool) -> None:
    api.patch(dag_path(dag_id), {"is_paused": paused})


def _word(paused: bool) -> str:
    return "paused" if paused else "unpaused"
