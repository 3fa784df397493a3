"""docker.logs: the last lines that containers printed."""

from __future__ import annotations

from typing import Any, ClassVar

from incident_response.clients.docker_api import NoLog
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Logs

from .docker_container import see
from .docker_looking import EXHIBIT, MOST, joined, nothing_known, presentable, reading
from .docker_targets import targets
from .kit import Kit


class ContainerLogs:
    """Keeps the end of each log; a log that cannot be read is said, and is no error."""

    parameters: ClassVar[type[Parameters]] = Logs

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Raises SourceUnavailable, NotConfigured."""
        wanted: Logs = scene.parameters
        names = targets(scene, self._kit.services())[:MOST]
        if not names:
            return nothing_known(scene)
        since = int((self._kit.now() - wanted.since).timestamp()) if wanted.since is not None else None
        texts: list[str] = []
        data: dict[str, Any] = {}
        exhibits: list[Exhibit] = []
        with reading(self._kit, scene) as engine:
            for name in names:
                seen = see(engine, name)
                if seen is None:
                    texts.append(f"{name} does not exist")
                    continue
                try:
                    text, complete = engine.logs(
                        seen.id, lines=wanted.lines, since=since, tty=seen.tty, keep=2 * EXHIBIT
                    )
                except NoLog as error:
                    texts.append(f"the log of {name} cannot be read: {one_line(str(error), 100)}")
                    continue
                shown = presentable(text)
                lines = shown.splitlines()
                texts.append(f"{name} printed {len(lines)} lines" if lines else f"{name} has printed nothing")
                data[name] = {"lines": len(lines), "complete": complete}
                if lines:
                    data[name]["last"] = one_line(lines[-1], 300)
                    exhibits.append(Exhibit(f"{name}.log", shown))
        return Finding(joined(texts), {"containers": data}, tuple(exhibits))
