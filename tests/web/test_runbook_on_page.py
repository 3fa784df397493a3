"""What to do: the text of the runbook, and who goes first."""

from __future__ import annotations

from incident_response.domain.incidents import Status
from incident_response.domain.signals import Signal
from tests.web.conftest import House
from tests.web.reading import part


def test_the_text_of_a_written_runbook_is_shown_and_nothing_offers_to_run_it(house: House) -> None:
    """Open, because it is what to do now."""
    number = house.alert("fact_energy_annual", "DataInvalid")
    text = house.client().get(str(number)).text
    shown = part(house, number, "remediation")

    assert '<details id="runbook" open>' in shown
    assert "Follow this by hand" in shown
    assert "<li><b>Metrics.</b> Which table, since when, how much?" in shown
    assert "Run the runbook" not in text
    assert "Run data-quality-issues" in text  # another one for such trouble, which a person may choose


def test_the_text_of_an_executable_runbook_is_at_hand(house: House) -> None:
    """Closed: it runs by itself."""
    number = house.open()
    assert '<details id="runbook">' in part(house, number, "remediation")
    assert "/remediate" in house.client().get(str(number)).text


def test_a_runbook_that_is_missing_cannot_be_run(house: House, monkeypatch) -> None:
    """The button says why, and the section says who has to mend it now."""
    number = house.open()
    monkeypatch.setattr(house.services.library, "runbook", lambda name: None)
    text = house.client().get(str(number)).text
    assert 'title="include/runbooks has no valid runbook dag-failure-recovery"' in text
    assert "missing or broken in include/runbooks: people have to mend it" in part(
        house, number, "remediation"
    )


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


def test_the_drill_is_offered_in_no_real_incident_and_refuses_one(house: House) -> None:
    """It looks at nothing: its proof would resolve a real outage."""
    number = house.alert("till-7", "SomethingElse", severity="P1")
    text = house.client().get(str(number)).text
    assert "drill" not in text
    answer = house.press(f"{number}/remediate", runbook="drill")
    assert (answer.status_code, "for exercises only" in answer.text) == (409, True)
    with house.services.store.read() as tx:
        assert list(tx.remediations(number)) == []
    assert house.get(number).status is Status.TRIGGERED


def test_the_drill_is_offered_in_an_exercise(house: House) -> None:
    """As its own runbook."""
    labels = {"alertname": "Drill", "exercise": "true", "service": "till", "severity": "P3", "begun": "1"}
    signal = Signal("exercise", labels, "till is said to be down", house.now)
    (receipt,) = house.services.intake.receive([signal], house.now)
    assert house.press(f"{receipt.incident}/remediate", runbook="drill").status_code == 303


def test_what_merely_calls_itself_an_exercise_is_real(house: House) -> None:
    """A service of such a name."""
    number = house.alert("exercise bikes", "SomethingElse")
    assert house.press(f"{number}/remediate", runbook="drill").status_code == 409
