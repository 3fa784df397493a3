"""What an Alertmanager's alert says is worked out once in a storm, and a long one is not remembered."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from incident_response.domain.records import Integration, IntegrationKind
from incident_response.web.hooks import alertmanager

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
BY = Integration("am", "am", IntegrationKind.ALERTMANAGER, "", NOW, "op")


def _taken(text: str, count: int = 1) -> list[Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "HighErrorRate", "service": "api"},
        "annotations": {"description": text},
    }
    return alertmanager.signals({"version": "4", "alerts": [alert] * count}, BY, NOW)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    alertmanager._said.cache_clear()


def test_the_same_alert_is_worked_out_once() -> None:
    """And each signal is whole, without what looks like a secret."""
    signals = _taken("password=hunter2 was refused", 50)
    assert alertmanager._said.cache_info().misses == 1
    assert len({signal.summary for signal in signals}) == 1
    assert "hunter2" not in str(signals)
    assert all(signal.details["annotations"]["description"] for signal in signals)


def test_another_text_is_another_one() -> None:
    """Of the same labels."""
    assert [_taken(text)[0].summary for text in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_long_one_is_not_remembered() -> None:
    """Two thousand of them would fill the memory."""
    (signal,) = _taken("x" * 5000)
    assert signal.summary.startswith("xxx")
    assert alertmanager._said.cache_info().currsize == 0
