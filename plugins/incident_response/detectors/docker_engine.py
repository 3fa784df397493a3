"""DockerDetector: containers that are down, unhealthy, restarting, killed for memory, or short of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from incident_response.clients.docker_api import Engine
from incident_response.domain.grounds import EVIDENCE, Ground
from incident_response.domain.signals import Signal
from incident_response.domain.times import in_words
from incident_response.sources.docker_engine import DockerSource, Terms

from .base import Look, SourceDetector
from .docker_downs import Downs
from .docker_findings import KIND, evidence, finding, why_down, why_unhealthy
from .docker_kills import Kills
from .docker_memory import MemoryUse
from .docker_restarts import Restarts
from .docker_survey import Survey

_SHARE = 0.9  # of the time limit, for the engine; the rest is for judging and for the store


class DockerDetector(SourceDetector[DockerSource]):
    """Looks at the containers of one Docker Engine; reads only."""

    kind = KIND

    def look(self, memory: Mapping[str, Any], now: datetime) -> Look:
        """All containers that are in trouble now. Raises SourceUnavailable, NotConfigured."""
        downs, restarts = Downs(memory), Restarts(memory)
        use, kills = MemoryUse(memory, now), Kills(memory, now, self.source.oom_for)
        connection = self.connection(self.source.conn_id)
        with closing(Engine(self.name, connection, self.seconds * _SHARE)) as engine:
            survey = Survey(engine, self.source, use, memory)
            survey.inspect()
            for row in survey.rows.values():
                if facts := survey.facts.get(row.id):
                    kills.ended(row.id, row.name, facts)
            if self.source.events:
                for event in engine.oom_events(*kills.window(engine.time or now)):
                    kills.event(event)
            figures = survey.memory_use()
        firing: list[Signal] = []
        for name in sorted({*survey.rows, *self.source.expected}):
            terms = self.source.terms(name)
            assert terms is not None
            firing += self._state(name, terms, survey, downs, kills, now)
            firing += self._loop(name, terms, survey, restarts, now)
            firing += self._memory(name, terms, survey, figures, use, now)
        firing += self._kills(kills)
        kept = {
            **downs.memory(),
            **restarts.memory(),
            **use.memory(survey.ids),
            **kills.memory(),
            **survey.memory(),
        }
        return Look(tuple(firing), survey.complete, kept)

    def _state(
        self, name: str, terms: Terms, survey: Survey, downs: Downs, kills: Kills, now: datetime
    ) -> Iterator[Signal]:
        row = survey.rows.get(name)
        facts = survey.facts.get(row.id) if row else None
        ended = facts.finished_at if row and facts and row.state in ("exited", "dead") else None
        if row and row.state in ("exited", "dead") and facts is None:
            return  # a finished job, or one that did not answer: then the look is not complete
        if row and survey.is_finished_job(row) and not terms.expected:
            return
        oom = bool(row and facts and (facts.oom_killed or kills.explains(row.id, ended)))
        if reason := why_down(row, facts, expected=terms.expected, oom=oom):
            since = downs.since(name, ended, now)
            if now - since >= self.source.down_for:
                details = {**evidence(row, facts), EVIDENCE: Ground.HARD.value}
                yield finding("ContainerDown", name, terms, f"Container {name} {reason}", since, details)
        elif row and (reason := why_unhealthy(row, facts, terms, now)):
            yield finding(
                "ContainerUnhealthy", name, terms, f"Container {name} {reason}", now, evidence(row, facts)
            )

    def _loop(
        self, name: str, terms: Terms, survey: Survey, restarts: Restarts, now: datetime
    ) -> Iterator[Signal]:
        row = survey.rows.get(name)
        facts = survey.facts.get(row.id) if row else None
        if row is None or row.state not in ("running", "restarting"):
            return
        if facts is None:
            restarts.keep(row.id)
            return
        limit = terms.restarts
        waiting = row.state == "restarting"
        count = restarts.loops(row.id, facts.restarts, waiting=waiting, limit=limit, now=now)
        if count:
            last = f"; its last exit code is {facts.exit_code}" if waiting else ""
            summary = (
                f"Container {name} was restarted {count} times within {in_words(limit.within)} "
                f"(limit {limit.count}){last}"
            )
            details = {**evidence(row, facts), EVIDENCE: Ground.HARD.value}
            yield finding("ContainerRestarting", name, terms, summary, now, details)

    def _memory(
        self,
        name: str,
        terms: Terms,
        survey: Survey,
        figures: Mapping[str, tuple[int, int]],
        use: MemoryUse,
        now: datetime,
    ) -> Iterator[Signal]:
        row = survey.rows.get(name)
        if row is None or row.id not in figures:
            return
        used, allowed = figures[row.id]
        percent = 100 * used / allowed
        if use.judge(row.id, percent, terms):
            summary = (
                f"Container {name} uses {percent:.0f} % of its memory, {_mib(used)} of {_mib(allowed)} "
                f"(limit {terms.memory_percent:g} %)"
            )
            details = {
                "bytes": used,
                "bytes_allowed": allowed,
                "percent": round(percent, 1),
                "threshold_percent": terms.memory_percent,
                "clear_percent": terms.memory_clear,
            }
            yield finding("HighMemoryUsage", name, terms, summary, now, {**evidence(row, None), **details})

    def _kills(self, kills: Kills) -> Iterator[Signal]:
        for kill in kills.recent():
            if terms := self.source.terms(kill.name):
                what = "Container" if kill.ended else "A process in container"
                summary = f"{what} {kill.name} was killed at {kill.when:%H:%M:%S} UTC: out of memory"
                details = {"id": kill.container, "killed_at": kill.at, "container_ended": kill.ended}
                yield finding(
                    "ContainerOOMKilled", kill.name, terms, summary, kill.when, details, kill.occurrence
                )


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
