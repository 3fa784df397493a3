"""Kills what a harness leaves behind, however it dies.

Run as a program it reads lines from its input, which the harness holds open: `+PID` and `-PID` for a process
that started and one that is gone, `dir PATH` for a folder to remove. When the input ends the harness has
ended, by itself or by SIGKILL, and what is still on the list goes. (The kernel's parent-death signal follows
the *thread* that started a child, and no grandchildren: tasks would survive.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

import psutil

_PATIENCE = 10.0  # seconds; one in a system call that cannot be broken off is left to the kernel


def kill_tree(pid: int) -> None:
    """SIGKILL a session leader, all its descendants and whatever else is left of its session.

    A process group is not enough: Airflow gives each task a group of its own. Returns when all are dead: a
    killed process holds its ports and its memory until it is, which takes a moment on a busy machine.
    """
    victims = {pid: psutil.Process(pid)} if _leads_session(pid) else {}
    for leader in list(victims.values()):
        with contextlib.suppress(psutil.NoSuchProcess):
            leader.suspend()  # or it would replace the children that die before it
            victims.update({child.pid: child for child in leader.children(recursive=True)})
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == pid:
                victims[process.pid] = process
    for process in victims.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + _PATIENCE
    while not all(map(_is_dead, victims.values())) and time.monotonic() < deadline:
        time.sleep(0.01)


def _is_dead(process: psutil.Process) -> bool:
    """Gone, or waiting for whoever started it to look."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _leads_session(pid: int) -> bool:
    """Whether the number still means what was started: each process gets a session of its own."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def main() -> None:
    # Ctrl-C and a closing terminal are meant for the harness; its end is what counts here.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pids: list[int] = []
    folders: list[str] = []
    for line in sys.stdin:
        if line.startswith("+"):
            pids.append(int(line[1:]))
        elif line.startswith("-"):
            pids.remove(int(line[1:]))
        elif line.startswith("dir "):
            folders.append(line[4:].rstrip("\n"))
    for pid in pids:
        kill_tree(pid)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
