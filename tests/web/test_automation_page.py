"""May runbooks act? Whoever opens the page at night sees who said no, and why."""

from __future__ import annotations

from datetime import timedelta

from incident_response.domain.automation import BREAKER, KILL_SWITCH, Lease, Switch
from tests.web.conftest import VIEWER, House

REASON = "The <b>host</b> moves tonight"


def page(house: House) -> str:
    return house.client().get("automation").text


def off(house: House) -> list[str]:
    return [switch.name for switch in house.services.automation.off()]


def test_switching_it_off_needs_a_reason(house: House) -> None:
    """The page says so, and nothing is changed."""
    answer = house.press("automation/automation", to="off", reason="  ")
    assert answer.status_code == 422
    assert "say why" in answer.text
    assert not off(house)


def test_off_is_shown_with_who_when_and_why_and_on_again(house: House) -> None:
    """On its page, escaped, and above the board."""
    assert house.press("automation/automation", to="off", reason=REASON).status_code == 303
    text = page(house)
    assert "by operator: The &lt;b&gt;host&lt;/b&gt; moves tonight" in text
    assert "Switch it on" in text
    board = house.client().get("").text
    assert "operator switched it off at 2026-01-15 02:00 UTC, The &lt;b&gt;host" in board

    assert house.press("automation/automation", to="on").status_code == 303
    assert not off(house)
    assert "operator switched it off" not in house.client().get("").text


def test_a_viewer_reads_and_cannot_press(house: House) -> None:
    assert house.press("automation/automation", VIEWER, to="off", reason="x").status_code == 403
    text = house.client(VIEWER).get("automation").text
    assert "disabled" in text.split('value="off"')[1].split(">")[0]
    assert not off(house)


def test_the_breaker_is_reset_by_a_person(house: House) -> None:
    house.services.automation.set(BREAKER, False, "11 within an hour", "system:guard", house.now)
    assert "11 within an hour" in page(house)
    board = house.client().get("").text
    assert "the breaker opened" in board
    assert "ook at what keeps failing, then reset the breaker" in board
    house.press("automation/breaker", to="on")
    assert not off(house)


def test_there_are_no_other_switches(house: House) -> None:
    assert house.press("automation/paging", to="off", reason="x").status_code == 422
    assert not off(house)


def test_what_runbooks_work_on_is_shown(house: House) -> None:
    number = house.open()
    with house.services.store.transaction() as tx:
        tx.put_lease(Lease("dag:a<b", number, 2, house.now, house.now + timedelta(minutes=15)))
    assert f">INC-{number}</a> attempt 2 on dag:a&lt;b" in page(house)


def test_a_variable_of_airflow_is_named_where_it_has_to_be_changed(house: House, monkeypatch) -> None:
    """A button here would not switch it on."""
    switch = Switch(KILL_SWITCH, False, "incident_automation = off", "an Airflow variable", house.now)
    monkeypatch.setattr(house.services.automation, "variable", lambda: switch)
    monkeypatch.setattr(house.services.doctor, "_variable", lambda: switch)
    assert "by an Airflow variable, incident_automation = off: delete it in Airflow" in page(house)
    assert "an Airflow variable switches them off" in house.client().get("").text
