"""include/policy/services.yaml: what depends on what, and what is one incident when it fails together."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.grouping import Grouping, Umbrella
from incident_response.domain.services import Container, Service, ServiceMap
from incident_response.domain.severities import Scenario, Severity
from incident_response.lengths import Length
from incident_response.sizes import Size

from .escalation_file import ElapsedText
from .yaml_file import Misplaced, Model


class ContainerEntry(Model):
    """The Docker container of a service, and what runbooks may do with it."""

    name: str | None = Field(
        None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$", description="Default: the service's name."
    )
    automation: bool = Field(
        False,
        description="Runbooks may restart, start, stop and pause it, and raise its memory limit; "
        "without it they only look.",
    )
    start_grace: Annotated[Length, Field(ge=timedelta(), le=timedelta(hours=1))] = Field(
        timedelta(seconds=60), description="After a start, not being healthy is no trouble yet."
    )
    precheck: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        (),
        max_length=20,
        description="Command and arguments that must succeed in the running container before its restart: "
        "[nginx, -t].",
    )
    memory_ceiling: Annotated[Size, Field(ge=6 * 2**20)] | None = Field(
        None, description="Its memory limit is never raised above: 2 GB. Without one it is not raised."
    )

    @field_validator("precheck", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("must be a list of words, as no shell reads it: [nginx, -t]")
        return value


class ServiceEntry(Model):
    """A container, a database, a pipeline: whatever an incident can be about."""

    name: str = Field(min_length=1, max_length=100, description="As the page shows it.")
    aliases: tuple[str, ...] = Field((), description="What labels call it; a port may be left out.")
    depends_on: tuple[str, ...] = Field(
        (), description="Names of services; trouble of theirs is trouble here."
    )
    container: ContainerEntry | None = Field(None, description="When it runs in a Docker container.")
    reads_conf: bool = Field(
        True,
        description="Of a DAG that ingests: false when it reads neither conf nor params and goes on from its "
        "own checkpoint. A runbook that would tell it a date is refused.",
    )


class UmbrellaEntry(Model):
    """Many services that fail at once are one incident."""

    name: str = Field(min_length=1, max_length=60)
    scenario: Scenario | None = Field(None, description="Empty: whatever the trouble.")
    services: int = Field(ge=2, le=1000, description="This many different ones …")
    within: ElapsedText = Field(description="… that opened within this time.")
    severity: Severity = Field(description="At least. What is worse is never hidden under it.")
    title: str = Field(min_length=1, max_length=120, description="May name {count}.")
    runbook: str | None = None
    level: Literal[1, 2, 3, 4] = 1


class ServicesFile(Model):
    """The whole file."""

    version: Literal[1]
    wait: ElapsedText = Field(
        "30 s", description="Before the first page of what may be a consequence; P1 never waits."
    )
    window: ElapsedText = Field(
        "15 min", description="Incidents that opened this long before their cause become its consequences."
    )
    services: tuple[ServiceEntry, ...] = ()
    together: tuple[UmbrellaEntry, ...] = ()

    @model_validator(mode="after")
    def _sane(self) -> ServicesFile:
        called: dict[str, str] = {}
        names = {service.name for service in self.services}
        for place, service in enumerate(self.services):
            if service.name in called:
                raise _ambiguous(service.name, called, "services", place, "name")
            called[service.name] = service.name
            for alias in service.aliases:
                if called.setdefault(alias, service.name) != service.name:
                    raise _ambiguous(alias, called, "services", place, "aliases")
            for name in service.depends_on:
                if name not in names:
                    text = f"{service.name} depends on {name!r}, which is not in the list; add it"
                    raise Misplaced(text, "services", place, "depends_on")
        self._each_container_once()
        rules = [rule.name for rule in self.together]
        for place, name in enumerate(rules):
            if name in rules[:place]:
                raise Misplaced(
                    f"two rules are named {name!r}; its incidents are found by it", "together", place, "name"
                )
        return self

    def _each_container_once(self) -> None:
        owners: dict[str, str] = {}
        for place, service in enumerate(self.services):
            if service.container is not None:
                name = service.container.name or service.name
                if (owner := owners.setdefault(name, service.name)) != service.name:
                    text = f"the container {name!r} is that of {owner} already; name it once"
                    raise Misplaced(text, "services", place, "container")


def _ambiguous(name: str, called: dict[str, str], *at: str | int) -> Misplaced:
    text = f"{name!r} names {called[name]} already; a name means one service: rename or remove one"
    return Misplaced(text, *at)


def grouping(content: ServicesFile) -> Grouping:
    """The domain's record."""
    return Grouping(
        services=ServiceMap(
            Service(s.name, s.aliases, s.depends_on, _container(s), s.reads_conf) for s in content.services
        ),
        umbrellas=tuple(
            Umbrella(
                name=rule.name,
                services=rule.services,
                within=Span.parse(rule.within).elapsed,
                severity=rule.severity,
                title=rule.title,
                scenario=rule.scenario,
                runbook=rule.runbook,
                level=rule.level,
            )
            for rule in content.together
        ),
        wait=Span.parse(content.wait).elapsed,
        window=Span.parse(content.window).elapsed,
    )


def _container(service: ServiceEntry) -> Container | None:
    entry = service.container
    if entry is None:
        return None
    return Container(
        name=entry.name or service.name,
        automation=entry.automation,
        start_grace=entry.start_grace,
        precheck=entry.precheck,
        memory_ceiling=entry.memory_ceiling,
    )
