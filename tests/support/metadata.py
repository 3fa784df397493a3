"""Airflow's metadata database, migrated and with its users once, then copied.

A migration takes 4 s and the users of FAB 20 s, in each start of an Airflow; a copy takes less than one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.support import CACHE
from tests.support.airflow_config import AIRFLOW_COMMAND, LOGINS, core_options, environment, write_home
from tests.support.postgres import PostgresServer, locked

# One process for all the commands: importing Airflow and FAB takes longer than what they do.
_RUN_COMMANDS = """
import json, sys
from airflow.cli import cli_parser
for command in json.load(sys.stdin):
    arguments = cli_parser.get_parser().parse_args(command)
    arguments.func(arguments)
"""


def fill(database_url: str, auth: str) -> None:
    """Makes an empty database ready: the file of a SQLite URL, or a database of a PostgreSQL server."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        shutil.copyfile(_prepared_sqlite(auth), str(url.database))
        with contextlib.closing(sqlite3.connect(str(url.database))) as connection:
            # Kept in the file: readers no longer lock writers out, which Airflow answers with 500.
            connection.execute("PRAGMA journal_mode=WAL")
    else:
        _psql(database_url, _prepared_postgres(auth))


def _prepared_sqlite(auth: str) -> Path:
    prepared = CACHE / f"airflow-{_version(auth)}.db"
    with locked(prepared):
        if not prepared.exists():
            with tempfile.TemporaryDirectory() as folder:
                database = Path(folder) / "airflow.db"
                _migrate(Path(folder), f"sqlite:///{database}", auth)
                shutil.copyfile(database, partial := prepared.with_suffix(".partial"))
            partial.rename(prepared)
    return prepared


def _prepared_postgres(auth: str) -> Path:
    prepared = CACHE / f"airflow-{_version(auth)}.sql"
    with locked(prepared):
        if not prepared.exists():
            with tempfile.TemporaryDirectory() as folder, PostgresServer(Path(folder) / "server") as server:
                _migrate(Path(folder), url := server.create_database("airflow"), auth)
                partial = prepared.with_suffix(".partial")
                dump = [server.program("pg_dump"), "--no-owner", "--file", partial, "--dbname", _libpq(url)]
                subprocess.run(dump, check=True)
            partial.rename(prepared)
    return prepared


def _version(auth: str) -> str:
    """Names all that decides the schema and its first rows."""
    parts = [metadata.version("apache-airflow"), auth]
    if auth == "fab":
        parts.append(metadata.version("apache-airflow-providers-fab"))
    return "-".join(parts)


def _migrate(home: Path, database_url: str, auth: str) -> None:
    write_home(home)
    env = environment(core_options(home, database_url, auth)) | {"AIRFLOW_HOME": str(home)}
    _run([AIRFLOW_COMMAND, "db", "migrate"], home, env)
    if auth == "fab":
        _run([sys.executable, "-c", _RUN_COMMANDS], home, env, _fab_commands())


def _fab_commands() -> str:
    """Four users; and readers see plugin pages in the menu, which FAB grants to nobody but Op and Admin."""
    commands = [["sync-perm"]]
    for who in LOGINS.values():
        name = ["--username", who.user, "--password", who.password, "--role", who.role]
        person = ["--firstname", who.role, "--lastname", "Test", "--email", f"{who.user}@example.com"]
        commands.append(["users", "create", *name, *person])
    commands.append(["roles", "add-perms", "Viewer", "User", "-a", "can_read", "-r", "Plugins"])
    return json.dumps(commands)


def _psql(database_url: str, script: Path) -> None:
    program = PostgresServer.program("psql")
    command = [program, "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
    _run([*map(str, command), "--output=/dev/null", f"--file={script}", _libpq(database_url)], script.parent)


def _libpq(database_url: str) -> str:
    return make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def _run(command: list[str], folder: Path, env: dict[str, str] | None = None, text: str = "") -> None:
    done = subprocess.run(
        command, cwd=folder, env=env, input=text, capture_output=True, text=True, check=False, timeout=180
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
