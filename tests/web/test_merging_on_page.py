"""People correct what grouping got wrong: two incidents that are one, and one that is two."""

from __future__ import annotations

import re

from incident_response.domain.incidents import Status
from tests.web.conftest import VIEWER, House
from tests.web.reading import broken_database, part, ticks

EVIL = "<script>alert('x')</script>"


def test_a_person_merges_two_incidents(house: House) -> None:
    """The one that is over leads to the other one, and that one lists what it took over."""
    child, parent = house.open("one"), house.open("two")
    answer = house.press(f"{child}/merge", into=f" inc-{parent} ")

    assert (answer.status_code, answer.headers["location"]) == (303, f"../{child}")
    assert house.get(child).merged_into == parent
    text = house.client().get(str(child)).text
    assert f'Merged into <a href="{parent}">INC-{parent}</a>' in text
    assert "menu-reopen" not in text
    assert f'<a href="{child}">INC-{child}</a> one failed' in part(house, parent, "merged")
    entry = house.client().get(str(parent)).text.split('id="timeline"')[1].split("</li>")[0]
    assert 'class="people"' in entry
    assert f'<a href="{child}">INC-{child}</a>' in entry


def test_a_merge_that_makes_no_sense_changes_nothing(house: House) -> None:
    """Each with its reason, and with what was typed."""
    number, over = house.open("one"), house.open("two")
    house.services.lifecycle.resolve(over, "operator", house.now)
    before = house.get(number)
    for typed, status, reason in (
        ("", 422, "write the number"),
        ("the other one", 422, "names no incident"),
        ("0", 422, "names no incident"),
        ("9" * 30, 422, "names no incident"),
        (EVIL, 422, "names no incident"),
        ("77", 422, "there is no incident INC-77"),
        (str(number), 422, "cannot be merged into itself"),
        (str(over), 409, f"INC-{over} is resolved"),
    ):
        answer = house.press(f"{number}/merge", into=typed)
        assert (answer.status_code, reason in answer.text) == (status, True), typed
        assert "<script>" not in answer.text
    assert house.press("88/merge", into=str(number)).status_code == 404
    assert house.get(number) == before


def test_merged_incidents_do_not_crowd_the_board(house: House) -> None:
    """They were not resolved by anybody."""
    child, parent = house.open("one"), house.open("two")
    house.press(f"{child}/merge", into=str(parent))
    assert "Resolved in the last week" not in house.client().get("").text


def test_a_person_splits_off_what_is_other_trouble(house: House) -> None:
    """What is ticked gets an incident of its own; both say so."""
    number = house.open("entsoe_ingestion", "run-1")
    assert house.open("entsoe_ingestion", "run-2") == number
    text = part(house, number, "known")
    assert len(ticks(text)) == 2

    answer = house.press(f"{number}/split", **{"signal-0": ticks(text)[0]})

    assert (answer.status_code, answer.headers["location"]) == (303, f"../{number}")
    assert house.get(number + 1).status is Status.TRIGGERED
    assert any(f"split off into INC-{number + 1}" in said for said in house.texts(number))
    assert f'<a href="{number + 1}">INC-{number + 1}</a>' in house.client().get(str(number)).text
    assert ticks(part(house, number, "known")) == []  # one is left: nothing more to split off


def test_what_is_no_consequence_is_split_off(house: House) -> None:
    """Grouping is a guess; people know better."""
    number = broken_database(house)
    shown = part(house, number, "consequences")
    picked = ticks(shown)[0]

    house.press(f"{number}/split", **{"signal-0": picked})

    assert house.get(number + 1).service in ("keycloak", "lianel-energy-service")
    assert len(ticks(part(house, number, "consequences"))) == 1


def test_a_split_that_makes_no_sense_changes_nothing(house: House) -> None:
    """Nothing ticked, all ticked, something that is not there."""
    number = house.open("entsoe_ingestion", "run-1")
    house.open("entsoe_ingestion", "run-2")
    one, two = ticks(part(house, number, "known"))
    before = house.get(number)

    assert "no signal is ticked" in house.press(f"{number}/split").text
    assert (
        "would be left without a signal"
        in house.press(f"{number}/split", **{"signal-0": one, "signal-1": two}).text
    )
    for odd in ("", ":", "f:x", EVIL):
        answer = house.press(f"{number}/split", **{"signal-0": odd})
        assert answer.status_code == 422
        assert "<script>" not in answer.text
    assert house.get(number) == before


def test_all_signals_of_a_page_fit_into_one_form(house: House) -> None:
    """As many as one page shows."""
    number = house.open("entsoe_ingestion", "run-0")
    for run in range(1, 60):
        house.open("entsoe_ingestion", f"run-{run}")
    picked = ticks(part(house, number, "known"))
    assert len(picked) == 40

    answer = house.press(f"{number}/split", **{f"signal-{n}": value for n, value in enumerate(picked)})

    assert answer.status_code == 303
    assert "40 signals split off" in "".join(house.texts(number))


def test_a_viewer_can_tick_nothing(house: House) -> None:
    """Boxes and buttons are there, with the reason why not."""
    text = house.client(VIEWER).get(str(broken_database(house))).text
    boxes = re.findall(r'<input type="checkbox"[^>]*>', text)
    assert len(boxes) == 2
    assert all("disabled" in box for box in boxes)
