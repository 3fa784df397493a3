"""check.signals_quiet: does anything that the incident is about still fire?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from incident_response.clients.giving_up import Patience
from incident_response.domain.actions import Finding, Scene
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.records import Role, Sighting
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import SignalsQuiet

from .airflow_records import listed
from .kit import Kit

_SHOWN = 20


class Quiet:
    """Consequences are not asked about: they end with the cause, or are taken in again on their own."""

    parameters: ClassVar[type[Parameters]] = SignalsQuiet

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Look at the sources. Raises SourceUnavailable, NotConfigured."""
        own = [sighting for sighting in scene.sightings if sighting.role is Role.OWN]
        firing, blind = self._asked(own, scene.seconds)
        looked = len(own) - len(blind)
        data = {
            "firing": [_named(sighting) for sighting in firing[:_SHOWN]],
            "blind": [_named(sighting) for sighting in blind[:_SHOWN]],
            "looked": looked,
        }
        unseen = f"; nobody can look again at {_list(blind)}" if blind else ""
        if firing:
            text = f"{len(firing)} of {len(own)} signals still fire: {_list(firing)}{unseen}"
            return Finding(one_line(text, 200), data)
        if looked < scene.parameters.least:
            text = f"{looked} signals could be looked at, {scene.parameters.least} are wanted{unseen}"
            return Finding(one_line(text, 200), data)
        text = f"None of {looked} signals that can be looked at fires any more{unseen}"
        return Finding(one_line(text, 200), data, proven=True, empty=looked == 0)

    def _asked(
        self, own: Sequence[Sighting], seconds: float
    ) -> tuple[Sequence[Sighting], Sequence[Sighting]]:
        ask = partial(self._kit.lookout.still_firing, own, self._kit.now())
        try:
            return Patience("check.signals_quiet").wait(ask, seconds)
        except TimeoutError as error:
            raise SourceUnavailable(
                f"check.signals_quiet: {error} from the sources; they are asked again, or give it more time"
            ) from None


def _list(sightings: Sequence[Sighting]) -> str:
    return listed(list(dict.fromkeys(map(_named, sightings))), 3)


def _named(sighting: Sighting) -> str:
    about = sighting.labels.get("service") or sighting.labels.get("dag_id") or ""
    alert = sighting.labels.get("alertname", "unnamed")
    return one_line(f"{alert}{f' of {about}' if about else ''} ({sighting.source})", 120)
