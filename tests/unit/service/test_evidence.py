"""Evidence goes with its incident, the files first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incident_response.domain.actions import Exhibit
from incident_response.domain.errors import EvidenceUnavailable
from incident_response.service.evidence import Evidence
from tests.support.house import House, failed


def test_a_store_that_is_away_is_asked_once() -> None:
    """A bucket that does not answer takes half a minute to say so; a repair waits for it."""
    house = House()
    (receipt,) = house.intake.receive([failed()], house.now)
    assert receipt.incident
    asked: list[str] = []

    def away(place: str, content: bytes) -> None:
        asked.append(place)
        raise EvidenceUnavailable("the bucket is away")

    house.shelf.keep = away  # type: ignore[method-assign]
    exhibits = [Exhibit(f"{name}.log", "x") for name in "abc"]
    kept, said = Evidence(house.store, house.shelf).keep(
        house.incident(receipt.incident), 1, "look", exhibits, house.now
    )
    assert (kept, said) == ([], "; evidence was not kept: the bucket is away")
    assert len(asked) == 1
    with house.store.read() as tx:
        assert [(one.name, one.place) for one in tx.exhibits(receipt.incident)] == [
            ("a.log", ""),
            ("b.log", ""),
            ("c.log", ""),
        ]


def test_the_files_of_pruned_incidents_are_dropped_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """When they cannot be, the store keeps their places."""
    house = House()
    evidence = Evidence(house.store, house.shelf)
    for dag in ("old", "open"):
        (receipt,) = house.intake.receive([failed(dag)], house.now)
        assert receipt.incident
        found = [Exhibit("a.log", f"{dag} password=hunter2")]
        evidence.keep(house.incident(receipt.incident), 1, "look", found, house.now)
    house.lifecycle.resolve(1, "ann", house.now, resolution="mended")
    house.lifecycle.close(1, "ann", house.now)
    later = house.now + timedelta(days=1)

    def away(places: list[str]) -> None:
        raise EvidenceUnavailable("the bucket is away")

    with monkeypatch.context() as broken:
        broken.setattr(house.shelf, "drop", away)
        with pytest.raises(EvidenceUnavailable):
            evidence.prune(later)
    assert house.incident(1)
    assert len(house.shelf.files) == 2

    assert evidence.prune(later)["exhibits"] == 1
    assert list(house.shelf.files) == ["INC-2/1/look/01-a.log"]
    assert b"hunter2" not in house.shelf.files["INC-2/1/look/01-a.log"]
    assert evidence.prune(later)["exhibits"] == 0
