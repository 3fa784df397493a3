"""Survey: what a Docker Engine knows of the watched containers, asked with as few questions as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from incident_response.clients.docker_api import Engine
from incident_response.clients.docker_facts import Facts, used
from incident_response.domain.errors import SourceUnavailable
from incident_response.sources.docker_engine import DockerSource

from .docker_findings import is_finished_job
from .docker_memory import MemoryUse
from .docker_rows import Row
from .parallel import settle

_THREADS = 8
Answer = TypeVar("Answer")


class Survey:
    """One list for all; an inspection only where the list does not tell enough; figures only where needed.

    `complete` becomes False when a container did not answer while others did.
    """

    def __init__(
        self, engine: Engine, source: DockerSource, use: MemoryUse, memory: Mapping[str, Any]
    ) -> None:
        self._engine, self._source, self._use = engine, source, use
        self._jobs = set(memory.get("jobs", ()))  # ids of containers that ran to their end
        self.complete = True
        rows = (Row.of(said) for said in engine.containers())
        self.rows = {row.name: row for row in rows if source.terms(row.name)}
        self.facts: dict[str, Facts] = {}

    def inspect(self) -> None:
        """Fill `facts`, by id, for the containers whose line in the list does not tell enough."""
        said = self._ask(self._engine.inspect, [r.id for r in self.rows.values() if self._is_unclear(r)])
        self.facts = {key: Facts.of(found) for key, found in said.items() if found is not None}
        self.rows = {n: r for n, r in self.rows.items() if said.get(r.id, r) is not None}  # others are gone
        for row in self.rows.values():
            if facts := self.facts.get(row.id):
                self._use.learn(row.id, facts.memory_limit)
                (self._jobs.add if is_finished_job(row, facts) else self._jobs.discard)(row.id)

    def memory_use(self) -> dict[str, tuple[int, int]]:
        """Bytes used and allowed, by id, of the running containers that have a limit."""
        running = [row.id for row in self.rows.values() if row.state == "running"]
        said = self._ask(self._engine.stats, [key for key in running if self._use.limited(key)])
        figures = {key: used(stats) for key, stats in said.items() if stats is not None}
        return {key: figure for key, figure in figures.items() if figure}

    def is_finished_job(self, row: Row) -> bool:
        """Whether it ran to its end and was never meant to run again."""
        return row.state == "exited" and row.exit_code == 0 and row.id in self._jobs

    @property
    def ids(self) -> set[str]:
        """The ids of all watched containers."""
        return {row.id for row in self.rows.values()}

    def memory(self) -> dict[str, Any]:
        """What to keep until the next look."""
        return {"jobs": sorted(self._jobs & self.ids)}

    def _is_unclear(self, row: Row) -> bool:
        terms = self._source.terms(row.name)
        assert terms is not None
        if row.state == "running":
            fresh = not row.up_longer_than(terms.restarts.within)  # only then can it have restarted lately
            return fresh or row.health in ("unhealthy", "starting") or not self._use.known(row.id)
        if row.state == "created":
            return terms.expected
        return row.state in ("exited", "dead", "restarting") and not (
            self.is_finished_job(row) and not terms.expected
        )

    def _ask(self, question: Callable[[str], Answer], containers: Iterable[str]) -> dict[str, Answer]:
        """The answers that came; raises when not a single one did."""

        def one(container: str) -> Answer | SourceUnavailable:
            try:
                return question(container)
            except SourceUnavailable as error:
                return error

        jobs = {container: partial(one, container) for container in containers}
        # Half of the time that is left: the next questions need some, too.
        said = settle(jobs, threads=_THREADS, seconds=self._engine.left / 2)
        answers = {key: answer for key, answer in said.items() if not isinstance(answer, SourceUnavailable)}
        if jobs and not answers:
            errors = (answer for answer in said.values() if isinstance(answer, SourceUnavailable))
            raise next(
                errors, SourceUnavailable(f"{self._source.name}: the Docker Engine answers too slowly")
            )
        self.complete = self.complete and len(answers) == len(jobs)
        return answers
