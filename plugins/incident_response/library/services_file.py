"""include/policy/services.yaml: what depends on what, and what is one incident when it fails together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.grouping import Grouping, Umbrella
from incident_response.domain.services import Service, ServiceMap
from incident_response.domain.severities import Scenario, Severity

from .escalation_file import ElapsedText
from .yaml_file import Model


class ServiceEntry(Model):
    """A container, a database, a pipeline: whatever an incident can be about."""

    name: str = Field(min_length=1, max_length=100, description="As the page shows it.")
    aliases: tuple[str, ...] = Field((), description="What labels call it; a port may be left out.")
    depends_on: tuple[str, ...] = Field(
        (), description="Names of services; trouble of theirs is trouble here."
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
        names = [service.name for service in self.services]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two services are named {twice[0]!r}")
        for service in self.services:
            if unknown := [name for name in service.depends_on if name not in names]:
                raise ValueError(
                    f"{service.name} depends on {unknown[0]!r}, which is not in the list; add it"
                )
        rules = [rule.name for rule in self.together]
        if twice := [name for name in rules if rules.count(name) > 1]:
            raise ValueError(f"two rules of `together` are named {twice[0]!r}")
        return self


def grouping(content: ServicesFile) -> Grouping:
    """The domain's record."""
    return Grouping(
        services=ServiceMap(Service(s.name, s.aliases, s.depends_on) for s in content.services),
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
