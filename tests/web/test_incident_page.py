"""The incident page answers: what is going on, and what do I press?"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from incident_response.domain.escalation import Cause
from incident_response.domain.runbooks import RemediationState
from tests.web.conftest import House


def buttons(text: str) -> set[str]:
    """The commands that the page offers."""
    return set(re.findall(r'action="\d+/(\w+)"', text))


@pytest.mark.parametrize("key", ["1", "INC-1", "inc-1"])
def test_names_of_the_page(house: House, key: str) -> None:
    """Links in messages name the key."""
    house.open()
    assert house.client().get(key).status_code == 200


def test_what_can_be_pressed_follows_the_status(house: House) -> None:
    """Never a button that can only fail."""
    number, lifecycle, client = house.open(), house.services.lifecycle, house.client()
    always = {"say", "review"}
    working = always | {"assign", "escalate", "severity", "resolve", "remediate", "merge"}

    assert buttons(client.get(str(number)).text) == working | {"acknowledge"}
    lifecycle.acknowledge(number, "somebody", house.now)
    assert buttons(client.get(str(number)).text) == working | {"investigate"}
    lifecycle.mitigate(number, "somebody", house.now, proof="green")
    assert buttons(client.get(str(number)).text) == working | {"reopen"}
    lifecycle.resolve(number, "somebody", house.now)
    assert buttons(client.get(str(number)).text) == always | {"reopen", "close"}
    lifecycle.close(number, "somebody", house.now)
    assert buttons(client.get(str(number)).text) == always


def test_two_clocks_and_the_ladder(house: House) -> None:
    """Each with its due point; the level that answers is marked."""
    number = house.open()
    text = house.client().get(str(number)).text
    clocks = text.split('id="clocks"')[1].split("</section>")[0]

    assert "then Level 2 is paged" in clocks
    assert clocks.count("data-due") >= 5  # acknowledge, resolve, three rungs
    assert re.search(r'aria-current="step".*?Operations.*?answers now', clocks, re.S)

    house.services.lifecycle.acknowledge(number, "somebody", house.now + timedelta(minutes=3))
    assert "by somebody after 3 min" in house.client().get(str(number)).text


def test_the_cause_that_was_named_is_known(house: House) -> None:
    number = house.open()
    house.services.lifecycle.escalate(number, "operator", house.now, cause=Cause.HARDWARE)
    assert "<dd>hardware</dd>" in house.client().get(str(number)).text


def test_remediation_shows_the_guards_reason_and_links_the_run(house: House) -> None:
    """Into Airflow's own page of the run, above our own address."""
    number = house.open()
    house.services.remediations.request(number, "system:response", house.now)
    house.services.remediations.begin(number, 1, 99, house.now)
    text = house.client().get(str(number)).text

    assert "<b>refused</b> dag-failure-recovery" in text
    assert "blast radius: 99 things would be touched" in text
    assert (
        f'data-airflow href="../dags/runbook_dag-failure-recovery/runs/INC-{number}-dag-failure-recovery-1"'
        in text
    )


def test_a_running_remediation_cannot_be_started_again(house: House) -> None:
    """The button says why."""
    number = house.open()
    house.services.remediations.request(number, "system:response", house.now)
    assert 'disabled title="dag-failure-recovery is requested"' in house.client().get(str(number)).text


def test_the_runs_of_the_incident_are_linked(house: House) -> None:
    """The response and the escalation, by the incident's key; after a reopening with its number."""
    number = house.open()
    house.services.lifecycle.resolve(number, "operator", house.now)
    house.services.lifecycle.reopen(number, "operator", house.now, reason="back")
    text = house.client().get(str(number)).text

    for run in (f"incident_response/runs/INC-{number}", f"incident_escalation/runs/INC-{number}-2"):
        assert f'href="../dags/{run}"' in text


def test_evidence_shows_the_end_of_a_log(house: House) -> None:
    """The end is where the error is; all of it is one link away."""
    number = house.open()
    log = "\n".join(f"line {n}" for n in range(2000))
    house.services.remediations.evidence(
        number, "Log of load", {"log_tail": log, "try": 3}, "system:x", house.now
    )
    text = house.client().get(str(number)).text

    assert "line 1999</pre>" in text
    assert "line 17\n" not in text
    assert "line 17\n" in house.client().get(f"{number}/evidence/1").text


def test_timers_that_came_due_show_lateness_and_who_acted(house: House) -> None:
    number = house.open()
    house.services.clock.fire(number, "sensor@worker:9", house.now + timedelta(seconds=33))
    timers = house.client().get(str(number)).text.split('id="timers"')[1].split("</section>")[0]
    assert "first page" in timers
    assert "3.0 s" in timers
    assert "sensor@worker:9" in timers


def test_messages_show_their_state(house: House) -> None:
    number = house.open()
    house.services.clock.fire(number, "clock@x", house.now + timedelta(seconds=31))
    messages = house.client().get(str(number)).text.split('id="messages"')[1].split("</section>")[0]
    assert "console operations" in messages
    assert "pending" in messages


def test_the_timeline_is_newest_first_in_three_groups(house: House) -> None:
    """People, system, signals: the filter needs no script."""
    number = house.open()
    house.services.lifecycle.add_note(number, "looking at it", "operator", house.now)
    house.services.remediations.evidence(number, "Log", {}, "system:x", house.now)
    entries = re.findall(r'<li id="fact-(\d+)" class="(\w+)"', house.client().get(str(number)).text)
    assert entries == [("2", "system"), ("1", "people"), ("0", "signals")]


def test_a_long_timeline_is_cut_and_says_so(house: House) -> None:
    """The page stays light; the report has everything."""
    number = house.open()
    for n in range(250):
        house.services.lifecycle.add_note(number, f"note {n}", "operator", house.now)
    text = house.client().get(str(number)).text
    assert "51 earlier events are in the report" in text
    assert "note 249" in text


def test_the_missing_parts_of_the_report_are_asked_for(house: House) -> None:
    number = house.open()
    house.services.lifecycle.resolve(number, "operator", house.now, resolution="Restarted")
    house.services.lifecycle.review(number, "lessons", "Watch the disk", "operator", house.now)
    report = house.client().get(str(number)).text.split('id="report"')[1].split("</section>")[0]

    assert "<b>4 parts missing:</b> root cause, user impact, business impact, prevention." in report
    assert report.count("<textarea") == 6
    assert ">Watch the disk</textarea>" in report


def test_the_report_is_read_and_taken_along(house: House) -> None:
    """Markdown, as a file with the incident's name."""
    number = house.open()
    house.services.remediations.request(number, "system:response", house.now)
    house.services.remediations.begin(number, 1, 1, house.now)
    house.services.remediations.end(number, 1, RemediationState.SUCCEEDED, "green again", house.now)

    page, file = house.client().get(f"{number}/report"), house.client().get(f"{number}/report.md")

    assert "# Incident Report: entsoe_ingestion failed" in page.text
    assert file.text.startswith("# Incident Report: entsoe_ingestion failed")
    assert file.headers["content-type"] == "text/markdown; charset=utf-8"
    assert file.headers["content-disposition"] == f'attachment; filename="INC-{number}.md"'
