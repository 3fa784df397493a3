"""Waiting for a blocking call, but not for ever: drivers have waits that no time limit of theirs ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Patience:
    """Runs a blocking call in a thread that can be given up. Only one is ever left behind per instance."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._behind: threading.Thread | None = None

    def wait(self, call: Callable[[], Answer], seconds: float) -> Answer:
        """The call's result or its exception.

        Raises TimeoutError when it takes longer, and at once while an earlier one still waits: threads must
        not pile up behind a server that hangs.
        """
        if self._behind is not None and self._behind.is_alive():
            raise TimeoutError("an earlier look still waits for its answer")
        run = _Run(call)
        thread = threading.Thread(target=run, name=f"look {self._name}", daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._behind = thread
            raise TimeoutError(f"no answer within {seconds:g} s")
        return run.result()


class _Run(Generic[Answer]):
    """The call, and how it ended."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._call = call
        self._answers: list[Answer] = []
        self._error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._answers.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error

    def result(self) -> Answer:
        """What the call returned. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._answers[0]
