"""Parameters of the docker actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from incident_response.domain.actions import Kind
from incident_response.lengths import Length
from incident_response.sizes import Size

from .base import Parameters

# What Docker allows in a name; nothing else may stand in the path of a request.
ContainerName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$")]
Percent = Annotated[float, Field(gt=0, le=100)]
_Wait = Annotated[Length, Field(ge=timedelta(), le=timedelta(minutes=5))]


class _Containers(Parameters):
    containers: tuple[ContainerName, ...] = Field(
        (), max_length=20, description="Names of containers. Empty: the container of the incident's service."
    )


class _Reading(Parameters):
    conn_id: str = Field(
        "incident_response_docker",
        min_length=1,
        description="Airflow connection of the Docker Engine; one that only reads is enough.",
    )

    @property
    def connections(self) -> tuple[str, ...]:
        """The engine's."""
        return (self.conn_id,)


class _Looking(_Reading, _Containers):
    pass


class _Changing(Parameters):
    conn_id: str = Field(
        "incident_response_docker_write",
        min_length=1,
        description="Airflow connection of the Docker Engine that may also change containers.",
    )

    @property
    def connections(self) -> tuple[str, ...]:
        """The engine's."""
        return (self.conn_id,)


class _ChangingOnes(_Changing, _Containers):
    pass


class _Stopping(_Changing):
    stop_within: _Wait = Field(
        timedelta(seconds=10), description="Time that the container has to end by itself; then it is killed."
    )


class _Restarting(_Stopping):
    precheck_within: _Wait = Field(
        timedelta(seconds=20), description="The container's pre-check has to end in this time."
    )


class Inspect(_Looking):
    """Look at containers: state, exit code, memory kills, restarts, health (procedures §5.1, step 1).

    Causes: `running`, `exited`, `oom_killed`, `unhealthy`, `restarting`, `paused`, `missing`. What `docker
    inspect` shows is kept as evidence, without the values of environment variables.
    """

    action: ClassVar[str] = "docker.inspect"
    kind: ClassVar[Kind] = Kind.LOOKS


class Logs(_Looking):
    """Keep the last lines of containers' logs as evidence, without secrets (procedures §5.1, step 2)."""

    action: ClassVar[str] = "docker.logs"
    kind: ClassVar[Kind] = Kind.LOOKS

    lines: int = Field(200, ge=1, le=5000, description="So many last lines of each container.")
    since: Length | None = Field(None, description="Only what is younger than this, `30 min`. Empty: all.")


class Stats(_Looking):
    """Look at containers' use of memory and CPU (procedures §5.4, steps 1 and 2).

    Causes: `memory_high`, `cpu_high`.
    """

    action: ClassVar[str] = "docker.stats"
    kind: ClassVar[Kind] = Kind.LOOKS

    memory_percent: Percent = Field(90, description="Percent of its limit; from there memory is high.")
    cpu_percent: Percent = Field(90, description="Percent of the CPUs it may use; from there CPU is high.")
    apart: Annotated[Length, Field(ge=timedelta(milliseconds=100), le=timedelta(seconds=30))] = Field(
        timedelta(seconds=1), description="CPU is measured over this time."
    )


class Dependencies(_Reading):
    """Look at the containers that the service depends on (procedures §5.1, step 3).

    They are found in include/policy/services.yaml. Cause: `dependency_down`; `down` names those that are
    down or unhealthy, the root of the trouble first.
    """

    action: ClassVar[str] = "docker.dependencies"
    kind: ClassVar[Kind] = Kind.LOOKS

    service: str = Field("", max_length=100, description="Whose. Empty: the incident's.")


class Restart(_Restarting, _Containers):
    """Restart containers (procedures §5.1, step 4).

    The container's pre-check (`nginx -t`) is run in it first and must succeed. Not one that somebody else
    has restarted since it was planned.
    """

    action: ClassVar[str] = "docker.restart"
    kind: ClassVar[Kind] = Kind.CHANGES


class Start(_ChangingOnes):
    """Start containers that do not run (procedures §5.1, step 4)."""

    action: ClassVar[str] = "docker.start"
    kind: ClassVar[Kind] = Kind.CHANGES


class Stop(_Stopping, _Containers):
    """Stop containers, to contain trouble (procedures §3.3); a `restore` step starts them again."""

    action: ClassVar[str] = "docker.stop"
    kind: ClassVar[Kind] = Kind.CHANGES


class Pause(_ChangingOnes):
    """Freeze containers, to contain trouble and keep the evidence in memory (procedures §3.3).

    A `restore` step lets them go on.
    """

    action: ClassVar[str] = "docker.pause"
    kind: ClassVar[Kind] = Kind.CHANGES


class Unpause(_ChangingOnes):
    """Let paused containers go on (procedures §5.1, step 4)."""

    action: ClassVar[str] = "docker.unpause"
    kind: ClassVar[Kind] = Kind.CHANGES


class RaiseMemory(_ChangingOnes):
    """Raise the memory limit of containers that were killed for memory (procedures §5.4, step 4).

    It holds at once, without a restart, until the container is created anew; a `restore` step puts the old
    limit back.
    """

    action: ClassVar[str] = "docker.raise_memory"
    kind: ClassVar[Kind] = Kind.CHANGES

    factor: float = Field(1.5, gt=1, le=4, description="The new limit is so many times the present one.")
    ceiling: Size | None = Field(
        None,
        description="Never above this, `2 GB`, nor above `memory_ceiling` of the container in services.yaml; "
        "one of the two must be given.",
    )


class RestartInOrder(_Restarting):
    """Restart what is down of a service and what it depends on, dependencies first (procedures §5.1).

    What runs behind a dependency that is down is left alone, as it recovers with it. Each one is waited for
    until it is healthy, at most for its start grace.
    """

    action: ClassVar[str] = "docker.restart_in_order"
    kind: ClassVar[Kind] = Kind.CHANGES

    service: str = Field("", max_length=100, description="Whose. Empty: the incident's.")
    settle: _Wait = Field(
        timedelta(seconds=10), description="A container without a health check is up when it ran so long."
    )


class Healthy(_Looking):
    """Prove that containers run, are healthy, and stay (procedures §5.1, step 5).

    Looks at the incident's container and at those that the remediation has started. Not proven: one that
    Docker restarted again after its start grace.
    """

    action: ClassVar[str] = "docker.healthy"
    kind: ClassVar[Kind] = Kind.CHECKS

    settle: _Wait = Field(
        timedelta(seconds=10),
        description="A container without a health check has to run so long, and its health page to answer.",
    )


MODELS: tuple[type[Parameters], ...] = (
    Inspect,
    Logs,
    Stats,
    Dependencies,
    Restart,
    Start,
    Stop,
    Pause,
    Unpause,
    RaiseMemory,
    RestartInOrder,
    Healthy,
)
