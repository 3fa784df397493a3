"""Each button gives its command, in the name of the person who pressed it."""

from __future__ import annotations

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.severities import Severity
from incident_response.domain.transactions import Transaction
from tests.web.conftest import House


def test_acknowledge(house: House) -> None:
    """By the Airflow user's name; then back to the incident's page, by a relative address."""
    number = house.open()

    answer = house.press(f"{number}/acknowledge")

    assert (answer.status_code, answer.headers["location"]) == (303, f"../{number}")
    assert (house.get(number).status, house.get(number).acknowledged_by) == (Status.ACKNOWLEDGED, "operator")


def test_acknowledge_from_the_board_leads_back_to_the_board(house: House) -> None:
    """Several in a row are one click each."""
    assert house.press(f"{house.open()}/acknowledge", back="board").headers["location"] == "../"


def test_investigate(house: House) -> None:
    number = house.open()
    house.press(f"{number}/investigate")
    assert house.get(number).status is Status.INVESTIGATING


def test_assign_to_me_and_to_somebody(house: House) -> None:
    """Assigning to oneself also acknowledges."""
    number = house.open()
    house.press(f"{number}/assign")
    assert (house.get(number).owner, house.get(number).status) == ("operator", Status.ACKNOWLEDGED)

    house.press(f"{number}/assign", owner="  second   shift ")
    assert house.get(number).owner == "second shift"
    assert house.press(f"{number}/assign", owner="x" * 101).status_code == 422


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({}, 2),
        ({"to": "3"}, 3),
        ({"cause": "configuration"}, 2),
        ({"cause": "hardware"}, 3),
        ({"cause": "customer"}, 4),
    ],
)
def test_escalate(house: House, fields: dict[str, str], level: int) -> None:
    """To the next level, the one named, or the one that answers for the cause."""
    number = house.open()
    assert house.press(f"{number}/escalate", **fields).status_code == 303
    assert house.get(number).level == level


@pytest.mark.parametrize("fields", [{"cause": "gremlins"}, {"to": "9"}, {"to": "²"}])
def test_escalate_to_nowhere_is_refused(house: House, fields: dict[str, str]) -> None:
    number = house.open()
    answer = house.press(f"{number}/escalate", **fields)
    assert answer.status_code == 422
    assert "nothing was changed" in answer.text
    assert house.get(number).level == 1


def test_severity(house: House) -> None:
    number = house.open("something_else")
    house.press(f"{number}/severity", severity="P1")
    assert house.get(number).severity is Severity.P1
    assert house.press(f"{number}/severity", severity="P0").status_code == 422


def test_resolve_with_a_text_then_reopen_then_close(house: House) -> None:
    """The life of an incident after its end."""
    number = house.open()
    house.press(f"{number}/resolve", resolution="Restarted the proxy")
    assert (house.get(number).status, house.get(number).resolution) == (
        Status.RESOLVED,
        "Restarted the proxy",
    )

    house.press(f"{number}/reopen", reason="it is back")
    assert (house.get(number).status, house.get(number).flapping) == (Status.TRIGGERED, True)
    assert any("it is back" in text for text in house.texts(number))

    house.press(f"{number}/resolve")
    house.press(f"{number}/close")
    assert house.get(number).status is Status.CLOSED


def test_a_note_stays_here_and_an_update_goes_out(house: House) -> None:
    """Two buttons, one text."""
    number = house.open()
    with house.services.store.read() as tx:
        before = len(tx.parcels(number))
    house.press(f"{number}/say", text="seen it", **{"as": "note"})
    assert _parcels(house, number) == before

    answer = house.press(f"{number}/say", text="fixed by noon", **{"as": "update"})
    assert _parcels(house, number) > before
    assert house.texts(number)[-2:] == ["seen it", "fixed by noon"]
    assert answer.headers["location"] == f"../{number}#say"


def test_line_ends_and_nul_are_cleaned(house: House) -> None:
    """PostgreSQL cannot keep a NUL; browsers send CR LF."""
    number = house.open()
    house.press(f"{number}/say", text="one\r\ntwo\x00")
    assert house.texts(number)[-1] == "one\ntwo"


def test_run_the_runbook(house: House) -> None:
    """A person asks; the guard answers in the run."""
    number = house.open()
    assert house.press(f"{number}/remediate").status_code == 303
    with house.services.store.read() as tx:
        assert tx.remediations(number)[0].requested_by == "operator"


def test_run_a_runbook_that_is_missing(house: House) -> None:
    """409 with a way out; the incident is unchanged."""
    house.press("report", title="Chart is cut off", severity="P4", service="dashboard")
    answer = house.press("1/remediate")
    assert answer.status_code == 409
    assert "include/runbooks" in answer.text


def test_a_part_of_the_report(house: House) -> None:
    number = house.open()
    assert (
        house.press(f"{number}/review", part="root_cause", text="A full disk")
        .headers["location"]
        .endswith("#report")
    )
    assert house.get(number).review == {"root_cause": "A full disk"}
    assert "A full disk" in house.client().get(f"{number}").text
    assert house.press(f"{number}/review", part="gossip", text="x").status_code == 422


def test_a_command_that_came_too_late(house: House) -> None:
    """409, in words, with the way to the truth."""
    number = house.open()
    house.press(f"{number}/resolve")

    answer = house.press(f"{number}/acknowledge")

    assert answer.status_code == 409
    assert f"INC-{number} is resolved" in answer.text
    assert 'href=".././"' in answer.text


@pytest.mark.parametrize("key", ["99", "INC-99", "nonsense", "0", "99999999999"])
def test_an_incident_that_does_not_exist(house: House, key: str) -> None:
    """404 for reading and for writing."""
    assert house.client().get(key).status_code == 404
    assert house.press(f"{key}/acknowledge").status_code == 404


def test_an_empty_text_is_refused(house: House) -> None:
    answer = house.press(f"{house.open()}/say", text="   ")
    assert answer.status_code == 422
    assert "the text is empty" in answer.text


def _parcels(house: House, number: int) -> int:
    with house.services.store.read() as tx:
        read: Transaction = tx
        return len(read.parcels(number))
