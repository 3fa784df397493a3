"""Waiting, but not for ever."""

from __future__ import annotations

import threading
import time

import pytest

from incident_response.clients.giving_up import Patience


def test_results_and_errors_come_through() -> None:
    """As if it had been called."""

    def fails() -> None:
        raise KeyError("x")

    patience = Patience("x")
    assert patience.wait(lambda: 7, 5) == 7
    with pytest.raises(KeyError):
        patience.wait(fails, 5)


def test_a_call_that_hangs_is_left_behind_and_no_second_one_joins_it() -> None:
    """Until it ended; then it is called again."""
    patience, gate = Patience("x"), threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        patience.wait(gate.wait, 0.05)
    with pytest.raises(TimeoutError, match="still waits"):
        patience.wait(lambda: 1, 5)
    gate.set()
    for _ in range(100):
        if not any(thread.name == "look x" for thread in threading.enumerate()):
            break
        time.sleep(0.01)
    assert patience.wait(lambda: 2, 5) == 2
