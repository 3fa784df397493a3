"""The docker actions."""

from __future__ import annotations

from .docker_contain import PauseContainer, StopContainer, UnpauseContainer
from .docker_dependencies import ContainerDependencies
from .docker_healthy import ContainersHealthy
from .docker_in_order import RestartContainersInOrder
from .docker_inspect import InspectContainers
from .docker_logs import ContainerLogs
from .docker_memory_limit import RaiseMemoryLimit
from .docker_restart import RestartContainer, StartContainer
from .docker_stats import ContainerStats
from .kit import ActionType

ACTIONS: tuple[ActionType, ...] = (
    InspectContainers,
    ContainerLogs,
    ContainerStats,
    ContainerDependencies,
    RestartContainer,
    StartContainer,
    StopContainer,
    PauseContainer,
    UnpauseContainer,
    RaiseMemoryLimit,
    RestartContainersInOrder,
    ContainersHealthy,
)
