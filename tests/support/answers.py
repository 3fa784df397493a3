"""A small HTTP server with answers made up by a test: for what no real system can be made to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from incident_response.domain.connections import Connection


@dataclass
class Asked:
    """A request as it came in."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answers:
    """`on` maps paths to JSON values, to (status, text), or to a function of the request that gives one."""

    on: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    drip: float = 0.0  # seconds between the single bytes of a body

    def __post_init__(self) -> None:
        answers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answers._answer(self)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._ended = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def connection(self) -> Connection:
        """As Airflow has it."""
        return Connection(self.url, conn_type="http")

    def hang(self, seconds: float) -> None:
        """Wait so long before an answer, or until the test is over."""
        self._ended.wait(seconds)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.path for asked in self.asked]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        params = {name: texts[-1] for name, texts in parse_qs(parts.query).items()}
        asked = Asked(parts.path, params, dict(handler.headers))
        self.asked.append(asked)
        answer: Any = self.on.get(parts.path, (404, "not here"))
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(asked)
        status, text = answer if isinstance(answer, tuple) else (200, json.dumps(answer))
        body = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            for start in range(0, len(body), size := 1 if self.drip else max(1, len(body))):
                handler.wfile.write(body[start : start + size])
                if self.drip and self._ended.wait(self.drip):
                    return
        except OSError:
            handler.close_connection = True

    def __enter__(self) -> Answers:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
