"""Errors tell what happened, what was kept, and what to do next."""

from __future__ import annotations

import contextlib

import pytest

from incident_response.domain.errors import SchemaOutdated, SettingsError, StoreUnavailable
from incident_response.domain.signals import Signal
from tests.web.conftest import House


@pytest.fixture
def away(house: House, monkeypatch) -> House:
    """The store is away, and two signals wait in files."""
    number = house.open()
    for n in range(2):
        house.services.spool.put([Signal("callback", {"n": str(n)}, "failed", house.now)])

    @contextlib.contextmanager
    def gone():
        raise StoreUnavailable
        yield

    monkeypatch.setattr(house.services.store, "read", gone)
    monkeypatch.setattr(house.services.store, "transaction", gone)
    assert number == 1
    return house


@pytest.mark.parametrize("path", ["", "1", "1/report", "1/report.md", "?live"])
def test_a_store_that_is_away_is_a_page_that_says_what_is_kept(away: House, path: str) -> None:
    """How many signals wait, and what to do."""
    answer = away.client().get(path)

    assert answer.status_code == 503
    assert "The store is away" in answer.text
    assert "2 signal files wait" in answer.text
    assert "store_url" in answer.text


def test_a_report_that_could_not_be_stored_gives_the_text_back(away: House) -> None:
    """And never claims that it was taken."""
    answer = away.press("report", title="Prices are missing", severity="P2", description="a long story")

    assert answer.status_code == 503
    assert "a long story" in answer.text
    assert "it was not stored" in answer.text


def test_the_page_tries_again_by_itself(away: House) -> None:
    """With script by polling, without by a refresh."""
    text = away.client().get("").text
    assert "data-poll data-whole" in text
    assert '<noscript><meta http-equiv="refresh"' in text


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            SettingsError("[incident_response] tick_interval is -1; it must be at least 0.1."),
            "tick_interval is -1",
        ),
        (SchemaOutdated(), "python -m incident_response migrate"),
        (StoreUnavailable(), "The store is away"),
    ],
)
def test_services_that_cannot_be_built_are_a_page(house: House, error: Exception, says: str) -> None:
    """A broken setting neither stops Airflow's API server nor hides; a stranger learns nothing of it."""

    def broken():
        raise error

    house.app.state.services = broken

    answer = house.client().get("")
    assert answer.status_code == 503
    assert says in answer.text
    assert house.client(None).get("").status_code == 401


def test_a_program_gets_the_same_words_as_json(house: House) -> None:
    """With the remedy as a field of its own."""
    answer = house.client().get("99", headers={"accept": "application/json"})

    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no incident INC-99"
    assert answer.json()["remedy"]


def test_something_unexpected_hides_its_details(house: House, monkeypatch) -> None:
    """They are in the log, not on the page."""
    monkeypatch.setattr(house.services.store, "read", lambda: 1 / 0)

    answer = house.client().get("")

    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.text
    assert "division by zero" not in answer.text
    assert answer.headers["content-security-policy"]


def test_a_page_that_does_not_exist(house: House) -> None:
    """Under any depth the way back is right."""
    answer = house.client().get("a/b/c/d")
    assert answer.status_code == 404
    assert 'href="../../../static/page.css' in answer.text
