"""The page asks again and again, and gets an answer only when there is news."""

from __future__ import annotations

import pytest

from tests.web.conftest import VIEWER, House


@pytest.fixture(params=["board", "incident"])
def ask(request, house: House):
    number = house.open("harmless_dag")  # nothing is due for ten minutes
    house.beat()
    path = "" if request.param == "board" else str(number)

    def asked(tag: str = ""):
        return house.client().get(f"{path}?live", headers={"if-none-match": tag} if tag else {})

    return asked


def test_nothing_new_is_304_though_time_passes(house: House, ask) -> None:
    """Ages and countdowns are renewed by the reader's own clock: they are no news."""
    first = ask()
    house.later(seconds=7)

    again = ask(first.headers["etag"])

    assert (again.status_code, again.text) == (304, "")
    assert again.headers["x-now"] == house.now.isoformat()


def test_news_is_sent(house: House, ask) -> None:
    """A note is news on both pages: the board shows the last event."""
    first = ask()
    house.services.lifecycle.add_note(1, "looking", "somebody", house.now)

    again = ask(first.headers["etag"])

    assert again.status_code == 200
    assert "looking" in again.text
    assert again.headers["etag"] != first.headers["etag"]


def test_what_becomes_late_is_news(house: House) -> None:
    """The counts on the board change when a due point passes."""
    house.open("harmless_dag")
    tag = house.client().get("?live").headers["etag"]
    house.later(hours=2)

    assert house.client().get("?live", headers={"if-none-match": tag}).status_code == 200


def test_a_fragment_is_only_the_main_part(ask) -> None:
    """Without style, scripts and help."""
    answer = ask()

    assert "<main" in answer.text
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "private, no-cache"


def test_one_persons_fragment_is_not_anothers(house: House) -> None:
    """A viewer's buttons are disabled: the tag differs."""
    house.open()
    assert house.client().get("?live").headers["etag"] != house.client(VIEWER).get("?live").headers["etag"]
