"""Processes that never outlive the test run that started them."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support import guard

_BREAKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Ctrl-C and the like wait until the end: whoever stops what was started in here knows of it.

    A handler may raise when a process runs already and nobody has its number yet. Masking the signals instead
    would be inherited by the process. They come to the main thread; other threads have nothing to fear.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _BREAKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


class Process:
    """A command in a session of its own, with its output appended to a log file."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str], cwd: Path
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as output, unbroken():
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
            self.pid = self._popen.pid
            _tell_guard(f"+{self.pid}")

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        """To the process itself and its group, as a service manager would; nothing when it is gone."""
        if self.alive:
            os.killpg(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended by itself within that time."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the whole tree, also to what a leader that is already dead left behind."""
        guard.kill_tree(self.pid)
        self._popen.wait()
        _tell_guard(f"-{self.pid}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_at_exit(folder: Path) -> None:
    """For folders outside of the test run's own temporary folder."""
    _tell_guard(f"dir {folder}")


_lock = threading.Lock()


def _tell_guard(line: str) -> None:
    with _lock:
        pipe = _guard().stdin
        assert pipe is not None
        pipe.write(f"{line}\n")
        pipe.flush()


@functools.cache
def _guard() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, guard.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
    )
