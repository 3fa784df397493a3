"""The hooks and the floor in one server: python -m bench.hook_server store_url port folder."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import Mount

from bench.floor import Floor
from incident_response.web.hooks.bucket import Buckets
from tests.acceptance.hook_server import app, run


def without_limit(outer: FastAPI) -> None:
    """Let one integration send as fast as it can: what is measured is the work, not the bucket."""
    for mount in [route for route in outer.routes if isinstance(route, Mount)]:
        if not isinstance(mount.app, FastAPI):
            continue
        if hasattr(mount.app.state, "desk"):
            mount.app.state.desk.buckets = Buckets(1e9, 1e9)
        without_limit(mount.app)


def add_floor(outer: FastAPI, url: str) -> None:
    """POST /floor: one bare upsert for each alert, all of a request in one transaction."""
    mine = threading.local()
    Floor(url).close()  # makes the table

    @outer.post("/floor")
    def floor(document: dict[str, Any]) -> dict[str, int]:
        if not hasattr(mine, "floor"):
            mine.floor = Floor(url, made=True)
        # In one order, or two requests would wait for each other's rows.
        alerts = sorted(document["alerts"], key=lambda alert: alert["fingerprint"])
        mine.floor.take(alerts)
        return {"taken": len(alerts)}


if __name__ == "__main__":
    served = app(sys.argv[1], Path(sys.argv[3]))
    without_limit(served)
    add_floor(served, sys.argv[1])
    run(served, int(sys.argv[2]))
