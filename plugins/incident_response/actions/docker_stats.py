"""docker.stats: how much memory and CPU containers use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from incident_response.clients.docker_facts import used
from incident_response.domain.actions import Finding, Scene
from incident_response.parameters.base import Parameters
from incident_response.parameters.docker_steps import Stats
from incident_response.sizes import size_in_words

from .docker_container import Seen, see
from .docker_looking import MOST, joined, nothing_known, reading
from .docker_targets import targets
from .kit import Kit


class ContainerStats:
    """Two looks, a moment apart: CPU is what was used in between."""

    parameters: ClassVar[type[Parameters]] = Stats

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Raises SourceUnavailable, NotConfigured."""
        wanted: Stats = scene.parameters
        names = targets(scene, self._kit.services())[:MOST]
        if not names:
            return nothing_known(scene)
        texts: list[str] = []
        data: dict[str, Any] = {}
        causes: dict[str, None] = {}
        with reading(self._kit, scene) as engine:
            there = {name: seen for name in names if (seen := see(engine, name)) is not None}
            running = {name: seen for name, seen in there.items() if seen.running}
            before = {name: engine.stats(seen.id) for name, seen in running.items()}
            if running:
                time.sleep(min(wanted.apart.total_seconds(), max(0.1, engine.left / 3)))
            for name in names:
                if name not in running:
                    how = there[name].words() if name in there else "does not exist"
                    texts.append(f"{name} {how}")
                    continue
                figures = _figures(running[name], before[name] or {}, engine.stats(running[name].id) or {})
                data[name] = figures
                texts.append(f"{name} {_words(figures)}")
                if figures.get("memory_percent", 0) >= wanted.memory_percent:
                    causes["memory_high"] = None
                if figures.get("cpu_percent_of_allowed", 0) >= wanted.cpu_percent:
                    causes["cpu_high"] = None
        return Finding(joined(texts), {"containers": data}, (), tuple(causes))


def _figures(seen: Seen, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (memory := used(after)) is not None:
        found["memory_bytes"] = memory[0]
        if seen.facts.memory_limit:  # without one, the engine names the memory of the whole machine
            found["memory_limit"] = memory[1]
            found["memory_percent"] = round(100 * memory[0] / memory[1], 1)
    first, second = before.get("cpu_stats") or {}, after.get("cpu_stats") or {}
    whole = _number(second, "system_cpu_usage") - _number(first, "system_cpu_usage")
    own = _total(second) - _total(first)
    if _total(first) and whole > 0 and own >= 0:
        machine = int(second.get("online_cpus") or 1)
        percent = 100 * own / whole * machine  # of one CPU, as `docker stats` counts
        found["cpu_percent"] = round(percent, 1)
        found["cpu_percent_of_allowed"] = round(percent / (seen.cpus or machine), 1)
    return found


def _total(cpu: Mapping[str, Any]) -> int:
    return _number(cpu.get("cpu_usage") or {}, "total_usage")


def _number(figures: Mapping[str, Any], name: str) -> int:
    return int(figures.get(name) or 0)


def _words(figures: Mapping[str, Any]) -> str:
    parts = []
    if "memory_percent" in figures:
        limit = size_in_words(figures["memory_limit"])
        parts.append(f"{figures['memory_percent']:.0f} % of its {limit} of memory")
    elif "memory_bytes" in figures:
        parts.append(f"{size_in_words(figures['memory_bytes'])} of memory, without a limit,")
    if "cpu_percent" in figures:
        parts.append(f"{figures['cpu_percent']:.0f} % of a CPU")
    return f"uses {' and '.join(parts)}" if parts else "has just ended"
