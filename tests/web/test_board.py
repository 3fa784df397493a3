"""The board answers: what needs a person next?"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from incident_response.domain.runbooks import RemediationState
from incident_response.domain.severities import Severity
from tests.web.conftest import House


def order(house: House) -> list[str]:
    return re.findall(r'id="row-(\d+)"', house.client().get("").text)


def row(house: House, number: int) -> str:
    return house.client().get("").text.split(f'id="row-{number}"')[1].split("</li>")[0]


def test_what_is_due_first_stands_first(house: House) -> None:
    """By the next due point of what needs a person."""
    slow = house.open("one")
    house.services.lifecycle.set_severity(slow, Severity.P4, "operator", house.now)
    urgent = house.open("two")
    house.services.lifecycle.set_severity(urgent, Severity.P1, "operator", house.now)
    for number in (slow, urgent):
        house.services.clock.fire(number, "clock@test", house.now + timedelta(minutes=40))
    house.later(minutes=40)

    assert order(house) == [str(urgent), str(slow)]


def test_among_overdue_ones_the_severity_decides(house: House) -> None:
    """How late something is does not make it worse."""
    first = house.open("one")
    house.later(minutes=30)
    second = house.open("two")
    house.services.lifecycle.set_severity(second, Severity.P1, "operator", house.now)
    house.later(hours=9)

    assert order(house) == [str(second), str(first)]


def test_what_automation_handles_stands_lower_and_calmer(house: House) -> None:
    """Nobody has to press anything: the button says Watch."""
    repairing = house.open("harmless_dag")
    house.services.remediations.request(repairing, "system:response", house.now)
    house.services.remediations.begin(repairing, 1, 1, house.now)
    house.later(minutes=1)
    for_people = house.open()

    assert order(house) == [str(for_people), str(repairing)]
    assert "calm" in row(house, repairing)
    assert "repairing" in row(house, repairing)
    assert "Watch" in row(house, repairing)


def test_an_overdue_page_is_never_automations_business(house: House) -> None:
    """The clock may be what is broken."""
    number = house.open("harmless_dag")
    house.later(minutes=11)

    assert "calm" not in row(house, number)
    assert "Acknowledge" in row(house, number)


def test_the_next_step_follows_the_status(house: House) -> None:
    """One button per row."""
    number = house.open()
    house.later(seconds=31)  # it might have been the consequence of something else
    assert f'action="{number}/acknowledge"' in row(house, number)

    house.services.lifecycle.acknowledge(number, "operator", house.now)
    assert "Post update" in row(house, number)

    house.services.lifecycle.mitigate(number, "system:test", house.now, proof="green")
    assert "Watch" in row(house, number)
    assert "hold-down" in row(house, number)


def test_without_updates_an_acknowledged_one_is_investigated_then_resolved(house: House) -> None:
    """P3 owes no updates."""
    number = house.open("harmless_dag")
    house.services.lifecycle.acknowledge(number, "operator", house.now)
    assert f'action="{number}/investigate"' in row(house, number)

    house.services.lifecycle.investigate(number, "operator", house.now)
    assert f'href="{number}#resolve"' in row(house, number)


def test_a_failed_repair_needs_a_person(house: House) -> None:
    """It escalated at once, and the board says so."""
    number = house.open("harmless_dag")
    house.services.remediations.request(number, "system:response", house.now)
    house.services.remediations.begin(number, 1, 1, house.now)
    house.services.remediations.end(number, 1, RemediationState.FAILED, "red again", house.now)

    assert "Acknowledge" in row(house, number)
    assert "Level 2 Development" in row(house, number)


def test_flapping_is_a_word_and_a_mark(house: House) -> None:
    number = house.open()
    house.services.lifecycle.mitigate(number, "system:test", house.now, proof="green")
    house.services.lifecycle.reopen(number, "system:test", house.now, reason="red again")

    assert "flapping" in row(house, number)


def test_the_counts_are_those_of_the_store(house: House) -> None:
    house.open("one")
    house.services.lifecycle.acknowledge(house.open("two"), "operator", house.now)
    text = house.client().get("").text

    assert "<b>2</b> open" in text
    assert "<b>1</b> needs acknowledgement" in text
    assert "<title>(1) Incidents</title>" in text


def test_an_empty_board_says_facts(house: House) -> None:
    """Not a decoration: is the clock ticking, do the detectors answer, when was the last one?"""
    house.beat()
    text = house.client().get("").text
    assert "No open incidents." in text
    assert "The clock is ticking" in text
    assert "None in the last week" in text

    house.services.lifecycle.resolve(house.open(), "operator", house.now)
    house.later(minutes=14)
    assert "Last one: INC-1, resolved" in house.client().get("").text


def test_a_silent_clock_is_a_banner_with_a_remedy(house: House) -> None:
    """Without a clock nobody is paged."""
    house.beat()
    house.later(minutes=10)
    text = house.client().get("").text

    assert "silent since" in text
    assert "npause the DAG incident_clock" in text
    assert "The clock is not ticking: nothing would be paged" in text


def test_a_broken_file_of_include_is_a_banner_with_its_line(house: House, tmp_path: Path) -> None:
    """Broken runbooks and policies are seen where people look."""
    folder = house.services.library.folder
    copy = tmp_path / "include"
    (copy / "runbooks").mkdir(parents=True)
    (copy / "policy").mkdir()
    for path in (folder / "policy").iterdir():
        (copy / "policy" / path.name).write_bytes(path.read_bytes())
    (copy / "runbooks" / "broken.yaml").write_text("name: broken\nversion: 1\nsteps: [\n")
    house.services.library.folder = copy

    assert re.search(r"broken\.yaml:\d+", house.client().get("").text)


def test_resolved_ones_are_listed_below(house: House) -> None:
    """With what resolved them."""
    house.services.lifecycle.resolve(house.open(), "operator", house.now, resolution="Restarted the proxy")

    text = house.client().get("").text
    assert "Resolved in the last week" in text
    assert "Restarted the proxy" in text
