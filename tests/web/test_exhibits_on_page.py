"""Evidence on the page: as text, of this incident only."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from incident_response.domain.actions import Exhibit
from incident_response.domain.errors import EvidenceUnavailable
from incident_response.domain.runbooks import StepResult, StepState
from tests.web.conftest import House
from tests.web.reading import part

PAGE = "<script>alert(1)</script>"


def keep(house: House, number: int) -> str:
    """Keep one exhibit; returns its place."""
    found = [Exhibit("a <b>.html", PAGE, "text/html")]
    house.services.evidence.keep(house.get(number), 1, "look", found, house.now)
    with house.services.store.read() as tx:
        return tx.exhibits(number)[0].place


def test_an_exhibit_is_linked_and_is_text_whatever_it_says_it_is(house: House) -> None:
    number = house.open()
    place = keep(house, number)
    shown = part(house, number, "evidence")
    assert f"exhibit?place={quote(place, safe='')}" in shown or f"exhibit?place={place}" in shown
    assert "a &lt;b&gt;.html" in shown
    assert "Nothing kept yet" not in shown
    answer = house.client().get(f"{number}/exhibit", params={"place": place})
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_another_incident_has_no_such_exhibit(house: House) -> None:
    one, other = house.open(), house.open("another")
    place = keep(house, one)
    assert house.client().get(f"{other}/exhibit", params={"place": place}).status_code == 404


@pytest.mark.parametrize("place", ["", "../store.db", "/etc/passwd", "INC-1/../../x", "INC-1%2F..%2Fx"])
def test_an_address_leads_nowhere_else(house: House, place: str) -> None:
    number = house.open()
    keep(house, number)
    assert house.client().get(f"{number}/exhibit", params={"place": place}).status_code == 404


def test_what_could_not_be_kept_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(place: str, content: bytes) -> None:
        raise EvidenceUnavailable("the disk is full")

    monkeypatch.setattr(house.services.evidence._shelf, "keep", full)
    number = house.open()
    keep(house, number)
    shown = part(house, number, "evidence")
    assert '<span class="late">not kept</span>' in shown
    assert "exhibit?place" not in shown
    assert "not kept" in house.services.review.report(number)


def test_steps_are_shown_with_their_states_and_escaped(house: House) -> None:
    number = house.open()
    house.services.remediations.request(number, "system:triage", house.now)
    done = StepResult(number, 1, "clear", StepState.DONE, house.now, "Cleared <i>x</i>", ended_at=house.now)
    proof = StepResult(
        number, 1, "verify_clear", StepState.DONE, house.now, "The same run is green", ended_at=house.now
    )
    with house.services.store.transaction() as tx:
        tx.put_step(done)
        tx.put_step(proof)
    shown = part(house, number, "remediation")
    assert "<b>done</b> clear" in shown
    assert "Cleared &lt;i&gt;x&lt;/i&gt;" in shown
    report = house.services.review.report(number)
    assert r"clear, done: Cleared \<i\>x\</i\>" in report  # text in Markdown, too
    assert "verify clear, proved it: The same run is green" in report
    assert r"Cleared \&lt;i\&gt;x" in house.client().get(f"{number}/report").text
