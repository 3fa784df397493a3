"""Writes come from our own pages."""

from __future__ import annotations

import pytest

from incident_response.web import auth, csrf, forms
from tests.web.conftest import OPERATOR, House


def test_a_form_without_a_token_is_refused(house: House) -> None:
    """As a page elsewhere would send it, with the reader's cookie."""
    number = house.open()

    answer = house.client().post(f"{number}/acknowledge", data={})

    assert answer.status_code == 403
    assert "did not come from this page" in answer.text
    assert house.get(number).acknowledged_by is None


def test_the_token_of_another_person_is_refused(house: House) -> None:
    """A token belongs to one person."""
    number, foreign = house.open(), csrf.token(auth.secret(), "8")

    assert house.press(f"{number}/acknowledge", csrf=foreign).status_code == 403


def test_a_browser_that_names_another_site_is_refused_whatever_the_token(house: House) -> None:
    """Second lock: Sec-Fetch-Site cannot be forged by a page."""
    number, token = house.open(), csrf.token(auth.secret(), OPERATOR.id)
    for site, status in (("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 303)):
        answer = house.client().post(
            f"{number}/acknowledge",
            data={"csrf": token},
            headers={"sec-fetch-site": site},
            follow_redirects=False,
        )
        assert answer.status_code == status, site


def test_a_bearer_token_needs_no_form_token(house: House) -> None:
    """A browser never adds that header by itself."""
    answer = house.client().post(
        f"{house.open()}/acknowledge", headers={"authorization": "Bearer x"}, follow_redirects=False
    )

    assert answer.status_code == 303


def test_a_form_of_more_than_64_kb_is_refused(house: House) -> None:
    """Whatever its header says, and nothing is changed."""
    number = house.open()
    before = house.texts(number)

    answer = house.press(f"{number}/say", text="x" * (forms.LIMIT + 1))

    assert answer.status_code == 413
    assert house.texts(number) == before


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_kinds_of_bodies_are_refused(house: House, kind: str) -> None:
    """text/plain and multipart are what other sites can send without asking."""
    answer = house.client().post(
        f"{house.open()}/acknowledge", content=b"csrf=1", headers={"content-type": kind}
    )

    assert answer.status_code == 415


def test_a_form_with_too_many_fields_is_refused(house: House) -> None:
    """A hundred thousand names would cost more than they are worth."""
    assert house.press(f"{house.open()}/say", **{f"f{n}": "1" for n in range(200)}).status_code == 422
