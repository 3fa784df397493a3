"""DockerSource: the containers of one Docker Engine.

Least privilege: looking only reads, but the engine's socket itself is root on its host. Point the connection
at a proxy that lets nothing else through, `tcp://docker-socket-proxy:2375`. With the image
`tecnativa/docker-socket-proxy`: `CONTAINERS=1`, `POST=0`; `EVENTS=1` and `VERSION=1` are its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from incident_response.lengths import Length

from .base import Entry, Source
from .components import Component

# What Docker allows in a name, and `*`, `?`, `[…]` in a pattern.
ContainerName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$")]
ContainerPattern = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.*?\[\]!-]{1,128}$")]
Percent = Annotated[float, Field(gt=0, le=100)]
Grace = Annotated[Length, Field(ge=timedelta(), le=timedelta(hours=1))]


class RestartLimit(Entry):
    """So many restarts by Docker in so much time are a loop."""

    count: int = Field(3, ge=2, le=100, description="Restarts that make a loop.")
    within: Length = Field(
        timedelta(minutes=10),
        ge=timedelta(minutes=1),
        le=timedelta(minutes=45),
        description="In this time; a loop has ended when there was none for as long.",
    )


class WatchedContainer(Entry):
    """One container, or all that a shell pattern matches; what is not set here is the source's."""

    name: ContainerPattern = Field(description="Its name, or a shell pattern: `dc-airflow-*`.")
    service: str | None = Field(None, min_length=1, max_length=100, description="Default: its name.")
    component: Component | None = Field(None, description="Default: by its name, else infrastructure.")
    start_grace: Grace | None = None
    memory_percent: Percent | None = None
    memory_clear: Percent | None = None
    restarts: RestartLimit | None = None


@dataclass(frozen=True)
class Terms:
    """What holds for one container, all put together."""

    service: str
    component: Component
    expected: bool
    start_grace: timedelta
    memory_percent: float
    memory_clear: float
    restarts: RestartLimit


class DockerSource(Source):
    """Containers that are down, unhealthy, restarting, killed for memory, or near their memory limit."""

    kind: Literal["docker"] = "docker"
    conn_id: str = Field(
        "incident_response_docker",
        min_length=1,
        description="Connection whose host is unix:///var/run/docker.sock or tcp://host:2375; "
        "its extra may name TLS files: tls_ca, tls_cert, tls_key.",
    )
    containers: tuple[WatchedContainer, ...] = Field(
        (WatchedContainer(name="*"),),
        min_length=1,
        max_length=200,
        description="What is watched: names, patterns, or entries with settings; the first match counts.",
    )
    ignore: tuple[ContainerPattern, ...] = Field((), description="Names or patterns never watched.")
    expected: tuple[ContainerName, ...] = Field((), description="Names that must exist and run.")
    down_for: Grace = Field(
        timedelta(seconds=10), description="Down for less is a deployment or a restart, no finding."
    )
    start_grace: Grace = Field(
        timedelta(seconds=60), description="After a start, being unhealthy or starting is no finding."
    )
    memory_percent: Percent = Field(90, description="Of its limit; from there memory is short …")
    memory_clear: Percent | None = Field(None, description="… until below this. Default: ten percent less.")
    restarts: RestartLimit = Field(RestartLimit(), description="From when restarts are a loop.")
    oom_for: Length = Field(
        timedelta(minutes=10),
        ge=timedelta(minutes=1),
        le=timedelta(hours=6),
        description="A kill for memory is told for this time after it happened.",
    )
    events: bool = Field(
        True,
        description="False: /events is not asked, as the engine's proxy refuses it; then kills for memory "
        "are not seen when the container runs again or when only a child process was killed.",
    )

    @field_validator("containers", mode="before")
    @classmethod
    def _entries(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple({"name": item} if isinstance(item, str) else item for item in value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> DockerSource:
        for name in self.expected:
            if self._ignores(name):
                raise ValueError(f"{name} is expected and ignored; remove it from one of the two")
        for name in (*self.expected, *(entry.name for entry in self.containers)):
            terms = self._terms(name, next((c for c in self.containers if c.name == name), None))
            if terms.memory_clear >= terms.memory_percent:
                raise ValueError(
                    f"{name}: memory_clear {terms.memory_clear:g} must be below "
                    f"memory_percent {terms.memory_percent:g}; set it lower or leave it out"
                )
        return self

    @property
    def connections(self) -> tuple[str, ...]:
        """The engine's."""
        return (self.conn_id,)

    def terms(self, container: str) -> Terms | None:
        """What holds for the container of this name, None when it is not watched."""
        if self._ignores(container):
            return None
        entry = next((entry for entry in self.containers if fnmatchcase(container, entry.name)), None)
        if entry is None and container not in self.expected:
            return None
        return self._terms(container, entry)

    def _ignores(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.ignore)

    def _terms(self, name: str, entry: WatchedContainer | None) -> Terms:
        own = entry or WatchedContainer(name="*")
        percent = own.memory_percent or self.memory_percent
        # A limit of its own does not go with the source's lower bound, which may lie above it.
        clear = own.memory_clear or (None if own.memory_percent else self.memory_clear)
        return Terms(
            service=own.service or name,
            component=own.component or component_of(name),
            expected=name in self.expected,
            start_grace=self.start_grace if own.start_grace is None else own.start_grace,
            memory_percent=percent,
            memory_clear=clear or max(percent - 10, percent / 2),
            restarts=own.restarts or self.restarts,
        )


def component_of(container: str) -> Component:
    """By the platform's names: `dc-airflow-*`, `*redis*`, `*nginx*`; else infrastructure."""
    if container.startswith("dc-airflow-"):
        return "airflow"
    if "redis" in container:
        return "redis"
    return "nginx" if "nginx" in container else "infrastructure"
