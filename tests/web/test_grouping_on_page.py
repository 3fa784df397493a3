"""What follows from an incident, and what became part of it; people correct what grouping got wrong."""

from __future__ import annotations

import re

from incident_response.domain.incidents import Status
from incident_response.domain.signals import Signal
from tests.web.conftest import VIEWER, House

EVIL = "<script>alert('x')</script>"


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


def test_the_text_of_a_written_runbook_is_shown_and_nothing_offers_to_run_it(house: House) -> None:
    """Open, because it is what to do now."""
    number = broken_database(house)
    text = house.client().get(str(number)).text
    shown = part(house, number, "remediation")

    assert '<details id="runbook" open>' in shown
    assert "Follow this by hand" in shown
    assert "<li><b>Status.</b> Does the server answer (<code>pg_isready</code>)?" in shown
    assert "/remediate" not in text
    assert "Run the runbook" not in text


def test_the_text_of_an_executable_runbook_is_at_hand(house: House) -> None:
    """Closed: it runs by itself."""
    number = house.open()
    assert '<details id="runbook">' in part(house, number, "remediation")
    assert "/remediate" in house.client().get(str(number)).text


def test_who_is_waited_for_is_said(house: House) -> None:
    """Before the first page: grouping, or a repair; afterwards nothing."""
    repaired, grouped = house.open("harmless_dag"), house.alert("keycloak")
    client = house.client()
    assert "The runbook goes first" in client.get(str(repaired)).text
    assert "something worse may turn out to be the cause" in client.get(str(grouped)).text
    board = client.get("").text
    assert "grouping waits" in board.split(f'id="row-{grouped}"')[1].split("</li>")[0]
    assert "runbook starting" in board.split(f'id="row-{repaired}"')[1].split("</li>")[0]

    house.later(minutes=11)
    for number in (repaired, grouped):
        assert "Nobody is paged before" not in client.get(str(number)).text
        assert "The runbook goes first" not in client.get(str(number)).text
    assert "grouping waits" not in client.get("").text


def test_the_incident_leads_to_a_silence_of_its_service(house: House) -> None:
    """As a regular expression for exactly this name."""
    number = house.alert("a.b (c)")
    assert 'href="silences?service=a%5C.b%20%5C%28c%5C%29#make"' in house.client().get(str(number)).text
