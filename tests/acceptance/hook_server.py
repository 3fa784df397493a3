"""The app with its hooks in a process of its own: python -m tests.acceptance.hook_server store_url port."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from incident_response import bootstrap
from incident_response.settings import Settings
from incident_response.web.app import create_app
from tests.support import REPOSITORY
from tests.support.processes import Process

_SERVE = "tests.acceptance.hook_server"


def settings(store_url: str, folder: Path) -> Settings:
    """Those of the app, and of the clock that belongs to it."""
    return Settings(
        store_url=store_url,
        spool_folder=str(folder / "spool"),
        include_folder=str(REPOSITORY / "include"),
        page_url="http://airflow/incidents",
    )


def app(store_url: str, folder: Path) -> FastAPI:
    """The page's app with its hooks, mounted as Airflow mounts it."""
    services = bootstrap.build(settings(store_url, folder), lambda conn_id: None)
    outer = FastAPI()
    outer.mount("/incidents", create_app(lambda: services))
    return outer


@contextmanager
def serving(store_url: str, folder: Path, port: int, module: str = _SERVE) -> Iterator[Process]:
    """The process, which answers; killed at the end."""
    process = start(store_url, folder, port, module)
    try:
        yield process
    finally:
        process.kill()


def start(store_url: str, folder: Path, port: int, module: str = _SERVE) -> Process:
    """Returns when it answers, if only to say that a token is missing."""
    env: Mapping[str, str] = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'plugins'}:{REPOSITORY}"}
    command = [sys.executable, "-m", module, store_url, str(port), folder]
    process = Process(command, folder / "server.log", env=env, cwd=REPOSITORY)
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.post(f"http://127.0.0.1:{port}/incidents/hooks/alertmanager", timeout=5)
            return process
        except httpx.TransportError:
            if not process.alive or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"the server did not start:\n{process.log.read_text()[-2000:]}") from None
        time.sleep(0.05)


def run(outer: FastAPI, port: int) -> None:
    """As Airflow's API server serves it, with one worker and without a line for each request."""
    uvicorn.run(outer, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    run(app(sys.argv[1], Path(sys.argv[3])), int(sys.argv[2]))
