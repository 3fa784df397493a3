"""Finds every address that an app answers, mounts included, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from starlette.testclient import TestClient


def addresses(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of every route of `app` and of everything mounted in it; parameters are filled in."""
    for route in app.routes:
        path = prefix + re.sub(r"\{[^}]+\}", "1", route.path)
        inner = getattr(route, "app", None)
        if getattr(route, "methods", None) is None:
            # A mount: its own routes, or, for an app that has none (files), whatever lies in it.
            found = list(addresses(inner, path)) if hasattr(inner, "routes") else []
            yield from found or [("GET", f"{path}/anything")]
        else:
            yield from ((method, path) for method in sorted(route.methods))


def open_doors(app: Any, client: TestClient) -> list[str]:
    """The addresses that do not refuse somebody who is not logged in."""
    doors = []
    for method, path in addresses(app):
        answer = client.request(method, path.lstrip("/"), follow_redirects=False)
        if answer.status_code != 401:
            doors.append(f"{method} {path}: {answer.status_code}")
    return doors
