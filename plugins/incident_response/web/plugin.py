"""What the AirflowPlugin declares for the page. Every Airflow process imports it; it imports little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Incidents:
    """The app, made at the first request: schedulers and workers load plugins, too, and never need it.

    A broken setting cannot stop the API server either: the services are built inside a request, behind the
    login, and what is wrong with them becomes a page.
    """

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._lock:
                self._app = self._app or await asyncio.to_thread(_make)
        await self._app(scope, receive, send)


def _make() -> Any:
    from .app import create_app  # here and not above: it imports Airflow's API server

    return create_app()


FASTAPI_APPS: list[dict[str, Any]] = [{"app": Incidents(), "url_prefix": "/incidents", "name": "Incidents"}]

# Relative addresses: an absolute one breaks where Airflow is served under a path.
EXTERNAL_VIEWS: list[dict[str, Any]] = [
    {
        "name": "Incidents",
        "href": "incidents/",
        "destination": "nav",
        "url_route": "incidents",
        "icon": "incidents/static/icon.svg",
        "icon_dark_mode": "incidents/static/icon-dark.svg",
        "nav_top_level": True,  # from 3.3 on; 3.1 ignores it and lists the page under Plugins
    }
]
