"""A person reports an incident from the page."""

from __future__ import annotations

from incident_response.domain.severities import Severity
from tests.web.conftest import House


def report(house: House, **fields: str):
    return house.press(
        "report", **({"title": "Prices are missing", "severity": "P2", "service": "dashboard"} | fields)
    )


def test_a_report_opens_an_incident_of_its_severity(house: House) -> None:
    """Through the same door as every other signal, with the person as its source."""
    answer = report(house, description="since noon")

    assert (answer.status_code, answer.headers["location"]) == (303, "1?said=opened")
    assert (house.get(1).title, house.get(1).severity, house.get(1).service) == (
        "Prices are missing",
        Severity.P2,
        "dashboard",
    )
    text = house.client().get("1?said=opened").text
    assert "since noon" in text
    assert "Reported. The clocks are running" in text


def test_two_reports_of_one_service_are_two_incidents(house: House) -> None:
    """People mean what they say."""
    report(house, key="a")
    report(house, key="b", title="Login is slow")
    assert {house.get(1).title, house.get(2).title} == {"Prices are missing", "Login is slow"}


def test_a_form_sent_twice_is_one_report(house: House) -> None:
    """The form carries a key of its own."""
    assert report(house, key="same").headers["location"] == "1?said=opened"
    assert report(house, key="same").headers["location"] == "1?said=counted"
    assert 'name="key"' in house.client().get("report").text


def test_a_bad_report_is_told_and_the_text_is_given_back(house: House) -> None:
    """Nobody types a description twice."""
    answer = report(house, title="  ", description="a long story")

    assert answer.status_code == 422
    assert "title: is empty" in answer.text
    assert "a long story" in answer.text
    assert report(house, severity="P7").status_code == 422


def test_a_code_in_the_address_is_not_shown(house: House) -> None:
    """No link can put words into our mouth."""
    report(house)
    assert "gotcha" not in house.client().get("1?said=gotcha").text


def test_the_form_can_be_filled_in_by_a_link(house: House) -> None:
    """From a DAG's page, for example; escaped like everything."""
    text = house.client().get('report?service="><b>x&title=broken').text
    assert 'value="&#34;&gt;&lt;b&gt;x"' in text
    assert 'value="broken"' in text
