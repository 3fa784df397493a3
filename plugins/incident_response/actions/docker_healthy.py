"""docker.healthy: proves that containers do their work again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from incident_response.domain.actions import Finding, Scene
from incident_response.domain.services import Container
from incident_response.domain.witnesses import Witnessed, Word
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Healthy

from .docker_container import Verdict, judge, see
from .docker_looking import MOST, joined, nothing_known, reading
from .docker_targets import targets
from .kit import Kit


class ContainersHealthy:
    """True when all are well; False as soon as one cannot be any more."""

    parameters: ClassVar[type[Parameters]] = Healthy

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Raises SourceUnavailable, NotConfigured."""
        services, now = self._kit.services(), self._kit.now()
        started = [data["container"] for data in scene.done.values() if _is_start(data)]
        names = list(dict.fromkeys((*targets(scene, services), *started)))[:MOST]
        if not names:
            return nothing_known(scene)
        settle = scene.parameters.settle
        since = _last(scene)
        with reading(self._kit, scene) as engine:
            verdicts = [
                judge(
                    name,
                    see(engine, name),
                    (services.container(name) or Container(name)).start_grace,
                    settle,
                    now,
                    since,
                )
                for name in names
            ]
        verdicts = self._by_their_pages(verdicts, names, now)
        answers = {verdict.proven for verdict in verdicts}
        proven = False if False in answers else None if None in answers else True
        # What is wrong comes first: the sentence may have to be cut.
        verdicts.sort(key=lambda verdict: (verdict.proven is not False, verdict.proven is True))
        data = {"containers": names, "well": [n for n, v in zip(names, verdicts, strict=True) if v.proven]}
        return Finding(joined([verdict.text for verdict in verdicts]), data, (), (), proven)

    def _by_their_pages(self, verdicts: list[Verdict], names: Sequence[str], now: datetime) -> list[Verdict]:
        """A container without a health check runs, which says nothing of what it does: its page says it."""
        blind = [name for name, one in zip(names, verdicts, strict=True) if one.proven and one.only_runs]
        if not blind:
            return verdicts
        services = self._kit.services()
        owners = {name: services.owner(name) or name for name in blind}
        said = self._kit.pages(tuple(owners.values()), now)
        return [
            _page(one, name, said.get(owners[name])) if name in blind else one
            for name, one in zip(names, verdicts, strict=True)
        ]


def _page(verdict: Verdict, name: str, page: Witnessed | None) -> Verdict:
    if page is None:
        return Verdict(
            None,
            f"{verdict.text}, but has neither a health check nor a health page in detectors.yaml: nobody can "
            f"tell that {name} works",
        )
    well = page.word is Word.WELL
    return Verdict(True if well else None, f"{verdict.text}; {page.text}")


def _is_start(data: Mapping[str, Any]) -> bool:
    return isinstance(data.get("container"), str) and "started_at" in data


def _last(scene: Scene) -> datetime | None:
    """When the remediation last did something to a container: start graces count from there."""
    times = [
        datetime.fromisoformat(data["at"])
        for data in scene.done.values()
        if isinstance(data.get("container"), str) and isinstance(data.get("at"), str)
    ]
    return max([*times, *([scene.started_at] if scene.started_at else [])], default=None)
