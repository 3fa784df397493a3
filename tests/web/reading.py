"""Reads the incident's page."""

from __future__ import annotations

import re

from tests.web.conftest import House


def part(house: House, number: int, id: str) -> str:
    """One section of the incident's page."""
    return house.client().get(str(number)).text.split(f'<section id="{id}"')[1].split("</section>")[0]


def broken_database(house: House) -> int:
    """The database is down, and with it the identity service and what needs both."""
    number = house.alert("lianel_energy", "DatabaseConnectionFailure", severity="P1")
    for service in ("keycloak", "lianel-energy-service"):
        assert house.alert(service) == number
    return number


def ticks(text: str) -> list[str]:
    """The values of all checkboxes."""
    return re.findall(r'<input type="checkbox" name="signal-\d+" value="([^"]+)"', text)
