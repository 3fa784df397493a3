"""What docs/webhooks.md shows is what is taken."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from incident_response.domain.incidents import Status
from incident_response.domain.records import IntegrationKind
from incident_response.domain.severities import Severity
from tests.support import REPOSITORY
from tests.web.conftest import House
from tests.web.hooking import PATHS, Senders

DOCS = (REPOSITORY / "docs" / "webhooks.md").read_text()


def bodies(kind: IntegrationKind) -> list[Any]:
    """The JSON of the curl commands for one kind."""
    commands = [part for part in DOCS.split("    curl ")[1:] if PATHS[kind] in part.splitlines()[0]]
    texts = [re.search(r"\{.*?\}(?=['\"]?\n)", c.replace('\\"', '"'), re.S) for c in commands]
    return [json.loads(text.group()) for text in texts if text]


def test_the_reports_that_are_shown_are_taken(house: House) -> None:
    """The first one opens an incident, the second one ends it."""
    senders = Senders(house)
    first, second = bodies(IntegrationKind.SIGNAL)
    assert senders.plain(**first).status_code == 200
    assert (house.get(1).severity, house.get(1).service) == (Severity.P2, "keycloak")
    house.later(minutes=1)
    assert senders.plain(**second).status_code == 200
    assert house.get(1).status is Status.MITIGATED


def test_the_events_that_are_shown_are_taken(house: House) -> None:
    """Likewise."""
    senders = Senders(house)
    first, second = bodies(IntegrationKind.PAGERDUTY)
    assert senders.send(IntegrationKind.PAGERDUTY, first).status_code == 202
    house.later(minutes=1)
    assert senders.send(IntegrationKind.PAGERDUTY, second).status_code == 202
    assert house.get(1).status is Status.MITIGATED


def test_every_address_and_kind_is_shown() -> None:
    """In the table, and in a configuration that can be pasted."""
    for kind, path in PATHS.items():
        assert f"| `{kind.value}` | `{path}` |" in DOCS
        assert DOCS.count(f"https://airflow.example.com/incidents/{path}") >= 1
    for text in re.findall(r"```yaml\n(.*?)```", DOCS, re.S):
        assert yaml.safe_load(text)
