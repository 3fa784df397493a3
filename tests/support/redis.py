"""A real Redis that keeps nothing, as the platform's broker does: what it held is lost when it dies."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path

from tests.support.processes import Process, free_port


class RedisServer:
    """On a free port of its own; `start` after `kill` begins empty, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: Process | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Until it takes connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        command = ["redis-server", *options, "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]
        self._process = Process(command, self.folder / "redis.log", env=os.environ, cwd=self.folder)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise TimeoutError(
            f"redis-server does not answer:\n{(self.folder / 'redis.log').read_text()[-2000:]}"
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def length(self, queue: str = "default") -> int:
        """How many messages wait in a queue."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(f"LLEN {queue}\r\n".encode())
            return int(connection.recv(64).decode().strip().lstrip(":"))
