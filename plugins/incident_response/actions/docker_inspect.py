"""docker.inspect: how containers stand, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar

from incident_response.clients.docker_api import Engine
from incident_response.domain.actions import Exhibit, Finding, Scene
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.redaction import MASK, one_line, redact
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Inspect

from .docker_container import Seen, inspect, of
from .docker_looking import EXHIBIT, MOST, joined, nothing_known, reading
from .docker_targets import targets
from .kit import Kit

_LONGEST = 2000  # characters of one text: the output of a health check
_KILLED = 137
_SAME = timedelta(seconds=15)  # the kill and what Docker writes down lie apart by less than this


class InspectContainers:
    """Looks at each container; a container that is not there is a finding, too."""

    parameters: ClassVar[type[Parameters]] = Inspect

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Raises SourceUnavailable, NotConfigured."""
        names = targets(scene, self._kit.services())[:MOST]
        if not names:
            return nothing_known(scene)
        texts: list[str] = []
        data: dict[str, Any] = {}
        exhibits: list[Exhibit] = []
        causes: dict[str, None] = {}
        with reading(self._kit, scene) as engine:
            for name in names:
                said = inspect(engine, name)
                if said is None:
                    texts.append(f"{name} does not exist")
                    data[name] = {"causes": ["missing"]}
                    causes["missing"] = None
                    continue
                seen = of(said)
                found = _causes(engine, seen)
                memory = ", a process was killed for memory" if seen.running and "oom_killed" in found else ""
                texts.append(f"{name} {seen.words()}{memory}")
                data[name] = {"causes": found, **_facts(seen)}
                causes |= dict.fromkeys(found)
                exhibits.append(Exhibit(f"{name}.inspect.json", _shown(said), "application/json"))
        return Finding(joined(texts), {"containers": data}, tuple(exhibits), tuple(causes))


def _causes(engine: Engine, seen: Seen) -> list[str]:
    facts = seen.facts
    found: list[str] = []
    if facts.oom_killed or (seen.state == "exited" and facts.exit_code == _KILLED and _was_oom(engine, seen)):
        found.append("oom_killed")
    if seen.running:
        found += ["running", "unhealthy"] if seen.health == "unhealthy" else ["running"]
    else:
        found.append(seen.state if seen.state in ("restarting", "paused") else "exited")
    return found


def _was_oom(engine: Engine, seen: Seen) -> bool:
    """Exit code 137 is any SIGKILL, also a person's. Sometimes only the engine's events tell whose it was."""
    ended = seen.facts.finished_at
    if ended is None or engine.time is None:
        return False
    since, until = (int((ended + span).timestamp()) for span in (-_SAME, _SAME))
    until = min(until, int(engine.time.timestamp()) - 1)
    try:
        events = engine.oom_events(since, until) if since < until else []
    except SourceUnavailable:  # a proxy may keep events from us: then this is not known
        return False
    return any((event.get("Actor") or {}).get("ID") == seen.id for event in events)


def _facts(seen: Seen) -> dict[str, Any]:
    facts = seen.facts
    found: dict[str, Any] = {
        "state": seen.state,
        "exit_code": facts.exit_code,
        "oom_killed": facts.oom_killed,
        "restarts": facts.restarts,
        "restart_policy": facts.policy,
        "image": one_line(seen.image, 200),
        "memory_limit": facts.memory_limit,
    }
    if seen.health:
        found |= {"health": seen.health, "failing_streak": facts.failing_streak}
        found |= {"check_said": one_line(facts.probe_output, 200)}
    if facts.error:
        found["error"] = one_line(facts.error, 200)
    for name in ("started_at", "finished_at"):
        if when := getattr(facts, name):
            found[name] = when.isoformat(timespec="seconds")
    return found


def _shown(said: Mapping[str, Any]) -> str:
    text = json.dumps(_clean(said), indent=1, ensure_ascii=False)
    return text if len(text) <= EXHIBIT else json.dumps(_clean(said))[:EXHIBIT]


def _clean(value: Any, name: str = "") -> Any:
    """Without secrets, in whatever field somebody has put them."""
    if isinstance(value, Mapping):
        return {str(key): _clean(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        hidden = value if not all(isinstance(inner, str) for inner in value) else _command(value)
        return [_clean(inner) for inner in hidden]
    if not isinstance(value, str):
        return value
    text = value if len(value) <= _LONGEST else f"…{value[-_LONGEST:]}"
    pair = f"{name}={text}"  # a label or an option may be called `password`
    return MASK if name and text and " " not in text and redact(pair) == f"{name}={MASK}" else redact(text)


def _command(words: list[str]) -> list[str]:
    """`--requirepass`, `hunter2`: the second word is only known for what it is by the first."""
    shown = list(words)
    for place, (option, value) in enumerate(pairwise(words), start=1):
        pair = f"{option} {value}"
        if redact(option) == option and redact(value) == value and redact(pair) != pair:
            shown[place] = MASK
    return shown
