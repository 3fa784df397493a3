"""include/policy/services.yaml: what depends on what, and what is one incident when it fails together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from incident_response.domain.business_hours import Span
from incident_response.domain.grouping import Grouping, Umbrella
from incident_response.domain.services import Service, ServiceMap
from incident_response.domain.severities import Scenario, Severity

from .escalation_file import ElapsedText
from .yaml_file import Misplaced, Model


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
        rules = [rule.name for rule in self.together]
        for place, name in enumerate(rules):
            if name in rules[:place]:
                raise Misplaced(
                    f"two rules are named {name!r}; its incidents are found by it", "together", place, "name"
                )
        return self


def _ambiguous(name: str, called: dict[str, str], *at: str | int) -> Misplaced:
    text = f"{name!r} names {called[name]} already; a name means one service: rename or remove one"
    return Misplaced(text, *at)


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
