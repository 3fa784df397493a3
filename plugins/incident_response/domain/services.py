"""Services and what they depend on: where trouble in one shows up in others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

# The labels in which monitoring systems name what they speak of, the most telling first.
NAMING = ("service", "container", "container_name", "name", "instance", "target", "database", "job")
CALLED = (*NAMING, "dag_id")


def called(labels: Mapping[str, str]) -> str | None:
    """What labels call the thing they speak of, before any map; None when they name nothing."""
    return next((value for label in CALLED if (value := labels.get(label))), None)


@dataclass(frozen=True)
class Container:
    """The container of a service, and what runbooks may do with it."""

    name: str
    automation: bool = False  # True: runbooks may restart, stop, pause it, and raise its memory limit
    start_grace: timedelta = timedelta(seconds=60)  # after a start, not being healthy is no trouble yet
    precheck: tuple[str, ...] = ()  # a command in it that must succeed before a restart
    memory_ceiling: int | None = None  # bytes; its memory limit is never raised above


@dataclass(frozen=True)
class Service:
    """A container, a database, a pipeline: whatever an incident can be about."""

    name: str
    aliases: tuple[str, ...] = ()  # how labels call it
    depends_on: tuple[str, ...] = ()  # names; broken ones break this one
    container: Container | None = None
    reads_conf: bool = True  # of a DAG: False, it cannot be told what to ingest


class ServiceMap:
    """All services. `edges` are further (upstream, downstream) pairs: what Airflow knows of its DAGs."""

    def __init__(self, services: Iterable[Service] = (), edges: Iterable[tuple[str, str]] = ()) -> None:
        self._services = tuple(services)
        self._known = {service.name: service for service in self._services}
        self._containers = {s.container.name: s.container for s in self._services if s.container}
        self._names = {alias: s.name for s in self._services for alias in (s.name, *s.aliases)}
        self._needs: dict[str, set[str]] = {}
        self._feeds: dict[str, set[str]] = {}
        given = ((needed, service.name) for service in self._services for needed in service.depends_on)
        for upstream, downstream in (*given, *edges):
            self._needs.setdefault(downstream, set()).add(upstream)
            self._feeds.setdefault(upstream, set()).add(downstream)
        self._found: dict[tuple[int, str], frozenset[str]] = {}

    def with_edges(self, edges: Iterable[tuple[str, str]]) -> ServiceMap:
        """The same services with edges added."""
        return ServiceMap(self._services, edges)

    def name(self, labels: Mapping[str, str]) -> str | None:
        """The service that labels speak of: a known one, else what they call it; None when nothing does."""
        called = [value for label in NAMING if (value := labels.get(label))]
        for value in called:
            known = self._names.get(value) or self._names.get(value.rpartition(":")[0])
            if known is not None:
                return known
        return called[0] if called else None

    def service(self, name: str) -> Service | None:
        """The service of this name or alias, None when the map does not know it."""
        return self._known.get(self._names.get(name, name))

    def container(self, name: str) -> Container | None:
        """The container of this name, None when no service has it."""
        return self._containers.get(name)

    def in_order(self, service: str) -> tuple[str, ...]:
        """Everything that it depends on, each after what it depends on itself: the order of a restart."""
        order: list[str] = []
        seen = {service}

        def visit(name: str) -> None:
            for needed in sorted(self._needs.get(name, ())):
                if needed not in seen:  # in a circle, too, each comes once
                    seen.add(needed)
                    visit(needed)
                    order.append(needed)

        visit(service)
        return tuple(order)

    def upstreams(self, service: str) -> frozenset[str]:
        """Everything that it depends on, directly or not."""
        return self._reach(self._needs, 0, service)

    def downstreams(self, service: str) -> frozenset[str]:
        """Everything that depends on it, directly or not."""
        return self._reach(self._feeds, 1, service)

    def _reach(self, edges: Mapping[str, set[str]], direction: int, start: str) -> frozenset[str]:
        found = self._found.get((direction, start))
        if found is None:
            reached: set[str] = set()
            waiting = [start]
            while waiting:
                fresh = edges.get(waiting.pop(), set()) - reached
                reached |= fresh
                waiting += fresh
            found = frozenset(reached - {start})  # a circle does not make a service its own cause
            if start in edges:  # names come from outside: only those of the map are remembered
                self._found[direction, start] = found
        return found
