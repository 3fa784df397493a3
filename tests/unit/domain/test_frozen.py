"""Copies of frozen records: as the constructor makes them, and no field is made up."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.frozen import evolved, revived
from tests.support.shipped import START, opened


@dataclass(frozen=True)
class Point:
    """A record."""

    x: int
    y: int = 0


@given(st.integers(), st.integers(), st.dictionaries(st.sampled_from("xy"), st.integers()))
def test_a_copy_is_what_the_constructor_makes(x: int, y: int, changes: dict[str, int]) -> None:
    """Equal, of the same hash; the original stays."""
    point = Point(x, y)
    copy = evolved(point, changes)
    assert copy == replace(point, **changes)
    assert hash(copy) == hash(replace(point, **changes))
    assert point == Point(x, y)


def test_an_unknown_field_is_an_error() -> None:
    """A typo must not be silence."""
    with pytest.raises(TypeError, match="Point has no field colour, size"):
        evolved(Point(1), {"size": 1, "x": 2, "colour": "red"})


def test_a_copy_is_frozen() -> None:
    """Like the original."""
    with pytest.raises(FrozenInstanceError):
        evolved(Point(1), {}).x = 5  # type: ignore[misc]


def test_a_revived_record_equals_the_one_it_was() -> None:
    """Of all its fields."""
    assert revived(Point, {"x": 1, "y": 2}) == Point(1, 2)
    incident = opened(START).incident
    assert revived(type(incident), dict(vars(incident))) == incident
    assert incident.evolve(level=3) == replace(incident, level=3)
