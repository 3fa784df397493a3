"""Keys are never cut."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from incident_response.domain.classification import Rule, Rules
from incident_response.domain.keys import bounded
from incident_response.domain.signals import Signal

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


@pytest.mark.parametrize("key", ["", "a", "x" * 255, "\ud800"])
def test_a_key_that_fits_is_left_alone(key: str) -> None:
    """So that keys of before mean the same."""
    assert bounded(key, 255) == key


def test_a_key_that_is_too_long_keeps_its_identity() -> None:
    """Its beginning stays readable; two that differ somewhere behind it stay two, always the same two."""
    one, other = (bounded("v1:other:" + "x" * 300 + end, 255) for end in "ab")
    assert one.startswith("v1:other:xxx")
    assert (len(one), len(other), one == other) == (255, 255, False)
    assert one == bounded("v1:other:" + "x" * 300 + "a", 255)


def test_two_causes_with_one_long_beginning_are_two_incidents() -> None:
    """A path, an address or a query as a label is soon longer than the key may be."""
    rules = Rules([Rule("long", {"path": ".+"}, cause="{path}")])
    keys = {
        rules.classify(Signal("x", {"alertname": "A", "path": "/data/" * 60 + name}, "s", NOW)).dedup_key
        for name in ("one", "two")
    }
    assert len(keys) == 2
    assert max(map(len, keys)) <= 255
