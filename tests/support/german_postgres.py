"""A PostgreSQL server that speaks German and asks for a password, from Debian's packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from incident_response.domain.connections import Connection
from tests.support.processes import Process, free_port, remove_at_exit

_LANGUAGE = "de_DE.UTF-8"
PASSWORD = "geheim-7-Wort"


class GermanPostgres:
    """A server on 127.0.0.1 with few connections. Its messages are German, whatever its clients speak."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found or not shutil.which("localedef"):
            raise RuntimeError(
                "PostgreSQL with its translations is missing; run scripts/system-packages database"
            )
        self.port, self.folder, self._bin = free_port(), folder, found[-1].parent
        self._home = Path(tempfile.mkdtemp(prefix="postgres-de-"))
        remove_at_exit(self._home)
        self._home.chmod(0o755)
        self._prefix = (
            ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
        )
        self._env = {"PATH": os.environ["PATH"], "LOCPATH": str(self._home / "locale"), "LC_ALL": _LANGUAGE}
        self.data = self._home / "data"
        self._process: Process | None = None

    def __enter__(self) -> GermanPostgres:
        (self._home / "locale").mkdir()
        subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "UTF-8", str(self._home / "locale" / _LANGUAGE)], check=True
        )
        (self._home / "password").write_text(PASSWORD)
        self.data.mkdir(mode=0o700)
        for path in (self._home, self._home / "password", self.data):
            os.chown(path, *((65534, 65534) if self._prefix else (-1, -1)))
        subprocess.run(
            [*self._prefix, self._bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256",
             f"--pwfile={self._home / 'password'}", "-E", "UTF8", "--no-sync"],
            env=self._env, cwd=self._home, check=True, capture_output=True,
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self, **settings: object) -> None:
        """Returns when it listens; not when it lets anybody in."""
        own = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off",
            "max_connections": 6, "superuser_reserved_connections": 2, **settings,
        }  # fmt: skip
        options = [word for name, value in own.items() for word in ("-c", f"{name}={value}")]
        command = [*self._prefix, self._bin / "postgres", "-D", self.data, *options]
        self._process = Process(command, self.folder / "postgres.log", env=self._env, cwd=self._home)
        log, ends = self.folder / "postgres.log", time.monotonic() + 20
        while "127.0.0.1" not in log.read_text(errors="replace") and time.monotonic() < ends:
            time.sleep(0.05)

    def kill(self) -> None:
        """At once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGQUIT)
            self._process.wait(5)
            self._process.kill()
            self._process = None
            (self.folder / "postgres.log").write_text("")

    def connection(self, **changes: object) -> Connection:
        """As Airflow has it."""
        fields: Mapping[str, object] = {
            "host": "127.0.0.1", "login": "postgres", "password": PASSWORD, "port": self.port,
            "schema": "postgres", "conn_type": "postgres", **changes,
        }  # fmt: skip
        return Connection(**fields)  # type: ignore[arg-type]
