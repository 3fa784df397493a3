"""What follows from an incident, and what became part of it."""

from __future__ import annotations

import re

from incident_response.domain.signals import Signal
from tests.web.conftest import House
from tests.web.reading import broken_database, part

EVIL = "<script>alert('x')</script>"


def test_consequences_stand_apart_from_the_incidents_own_signals(house: House) -> None:
    """Service, alert, since when, and whether it still fires."""
    number = broken_database(house)
    house.later(minutes=2)
    house.alert("keycloak", firing=False)

    shown, known = part(house, number, "consequences"), part(house, number, "known")
    assert "2 services behind it" in shown
    assert "1 signal still firing" in shown
    assert re.search(r">firing</b> lianel-energy-service · ServiceDown", shown)
    assert re.search(r">over</b> keycloak · ServiceDown", shown)
    assert "taken in again on its own" in shown
    assert "keycloak" not in known
    assert "1 signal<" in known


def test_what_is_worked_on_by_itself_is_linked_on_both_pages(house: House) -> None:
    """The container exited while the database was down: each page leads to the other one."""
    cause = broken_database(house)
    labels = {"alertname": "ContainerDown", "container": "keycloak", "service": "keycloak"}
    exited = Signal("docker", labels, "exited with code 1", house.now, details={"evidence": "hard"})
    number = house.services.intake.receive([exited], house.now)[0].incident
    assert number is not None
    assert number != cause
    assert re.search(rf'href="[^"]*{cause}">INC-{cause}</a>', part(house, number, "linked"))
    assert re.search(rf'href="[^"]*{number}">INC-{number}</a>', part(house, cause, "linked"))


def test_without_consequences_nothing_is_said(house: House) -> None:
    """The section is there for what may come, and hidden."""
    number = house.open()
    text = house.client().get(str(number)).text
    assert '<section id="consequences" data-live hidden>' in text
    assert '<section id="merged" data-live hidden>' in text


def test_what_outlived_the_incident_says_so(house: House) -> None:
    """It was taken in again on its own."""
    number = broken_database(house)
    house.services.lifecycle.resolve(number, "operator", house.now)
    house.services.intake.look_again(house.now)

    shown = part(house, number, "consequences")
    assert shown.count("taken in again</b>") == 2
    assert "nothing still firing" in shown


def test_the_board_counts_the_services_behind_an_incident(house: House) -> None:
    """In the row, in words."""
    number = broken_database(house)
    row = house.client().get("").text.split(f'id="row-{number}"')[1].split("</li>")[0]
    assert "<b>2 services behind it</b>" in row
    other = house.open("harmless_dag")
    assert "behind it" not in house.client().get("").text.split(f'id="row-{other}"')[1].split("</li>")[0]


def test_hostile_labels_of_consequences_are_escaped(house: House) -> None:
    """They come from outside, as all labels do."""
    number = broken_database(house)
    labels = {"alertname": EVIL, "service": "keycloak", "job": EVIL}
    house.services.intake.receive([Signal(f'"{EVIL}', labels, EVIL, house.now)], house.now)
    shown = part(house, number, "consequences")
    assert "&lt;script&gt;" in shown
    assert "<script>" not in house.client().get(str(number)).text


def test_facts_of_grouping_are_filtered_with_what_they_are_about(house: House) -> None:
    """A consequence is a signal; an incident that was taken over is the system's work."""
    number = broken_database(house)
    pipelines = [house.open(name, f"run-{name}") for name in ("dag_a", "dag_b", "dag_c")]
    parent = house.get(pipelines[0]).merged_into
    assert parent is not None
    for page, group in ((number, "signals"), (parent, "system")):
        entry = house.client().get(str(page)).text.split('id="timeline"')[1].split("</li>")[0]
        assert f'class="{group}"' in entry
    assert "Merged into" in house.client().get(str(pipelines[0])).text


def test_the_incident_leads_to_a_silence_of_its_service(house: House) -> None:
    """As a regular expression for exactly this name."""
    number = house.alert("a.b (c)")
    assert "Silence this" in part(house, number, "known")
    assert 'href="silences?service=a%5C.b%20%5C%28c%5C%29#make"' in house.client().get(str(number)).text


def test_what_stands_for_many_services_cannot_be_silenced_by_name(house: House) -> None:
    """No signal has its service."""
    for name in ("dag_a", "dag_b", "dag_c"):
        number = house.open(name, f"run-{name}")
    parent = house.get(number).merged_into
    assert parent is not None
    assert "Silence this" not in part(house, parent, "known")
