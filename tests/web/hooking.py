"""Senders: a token of each kind, and real bodies to send with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx import Response

from incident_response.domain.records import Integration, IntegrationKind
from tests.web.conftest import House

_BODIES = Path(__file__).parent / "bodies"
ALERTMANAGER, GRAFANA = IntegrationKind.ALERTMANAGER, IntegrationKind.GRAFANA
PAGERDUTY, SIGNAL = IntegrationKind.PAGERDUTY, IntegrationKind.SIGNAL
PATHS = {
    IntegrationKind.ALERTMANAGER: "hooks/alertmanager",
    IntegrationKind.GRAFANA: "hooks/grafana",
    IntegrationKind.SIGNAL: "hooks/signal",
    IntegrationKind.PAGERDUTY: "hooks/pagerduty/v2/enqueue",
}


def body(name: str) -> Any:
    """A body as it was really sent, with the word TOKEN in place of a routing key."""
    return json.loads((_BODIES / f"{name}.json").read_text())


CONTENT = {
    ALERTMANAGER: body("alertmanager_firing"),
    GRAFANA: body("grafana"),
    PAGERDUTY: body("pagerduty_trigger"),
    SIGNAL: {"title": "Invoices are missing", "severity": "P2", "service": "billing"},
}


@dataclass
class Senders:
    """One integration of each kind."""

    house: House
    integrations: dict[IntegrationKind, Integration] = field(default_factory=dict)
    tokens: dict[IntegrationKind, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in IntegrationKind:
            made = self.house.services.integrations.add(f"a-{kind.value}", kind, {}, "test", self.house.now)
            self.integrations[kind], self.tokens[kind] = made

    def send(self, kind: IntegrationKind, content: Any, **headers: str) -> Response:
        """Post as that sender would; bytes go as they are."""
        if kind is IntegrationKind.PAGERDUTY:
            if isinstance(content, dict):
                content = {**content, "routing_key": self.tokens[kind]}
        else:
            headers = {"authorization": f"Bearer {self.tokens[kind]}"} | headers
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.house.client(None).post(PATHS[kind], content=data, headers=headers)

    def alerts(self, content: Any) -> Response:
        return self.send(IntegrationKind.ALERTMANAGER, content)

    def grafana(self, content: Any) -> Response:
        return self.send(IntegrationKind.GRAFANA, content)

    def plain(self, **content: Any) -> Response:
        return self.send(IntegrationKind.SIGNAL, content)

    def event(self, action: str, key: str | None = None, **content: Any) -> Response:
        key_ = {"dedup_key": key} if key else {}
        return self.send(IntegrationKind.PAGERDUTY, {"event_action": action, **key_, **content})

    def sightings(self, number: int = 1) -> list[Any]:
        with self.house.services.store.read() as tx:
            return list(tx.sightings(number))

    def open(self) -> list[int]:
        with self.house.services.store.read() as tx:
            return [row.incident.number for row in tx.board(100)]

    def everything(self) -> str:
        """All that is stored of incidents, as text."""
        with self.house.services.store.read() as tx:
            return repr(tx.board(10_000)) + repr([tx.sightings(n) for n in self.open()])


class Wire:
    """Requests straight to the app, byte by byte as a server would hand them on; many times faster than a
    client, and nothing mends them on the way. One event loop, as in a server.
    """

    def __init__(self, app: Any) -> None:
        self._app, self._loop = app, asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def post(
        self, path: str, parts: Iterable[bytes], headers: dict[str, bytes], *, method: str = "POST"
    ) -> tuple[int, bytes]:
        """Status and content of the answer. `parts` is read as far as the app reads it."""
        waiting, answers = iter(parts), []

        async def receive() -> dict[str, Any]:
            part = next(waiting, None)
            return {"type": "http.request", "body": part or b"", "more_body": part is not None}

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http", "method": method, "path": "/" + path, "raw_path": path.encode(), "root_path": "",
            "query_string": b"", "scheme": "http", "http_version": "1.1",
            "headers": [(name.encode(), value) for name, value in headers.items()],
        }  # fmt: skip
        self._loop.run_until_complete(self._app(scope, receive, send))
        return answers[0]["status"], b"".join(message.get("body", b"") for message in answers[1:])
