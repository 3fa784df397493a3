"""An HTTP server that answers as no real Loki would: late, too much, something else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Iterable[bytes]]


def vector(*series: tuple[dict[str, str], Any, Any]) -> Answer:
    """Of (labels, time, value)."""
    return whole("vector", [{"metric": labels, "value": [at, value]} for labels, at, value in series])


def streams(*lines: tuple[Any, str]) -> Answer:
    """Of (time, text): one stream."""
    return whole("streams", [{"stream": {}, "values": [list(line) for line in lines]}])


def whole(kind: str, result: Any) -> Answer:
    body = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})
    return 200, [body.encode()]


class FakeLoki:
    """`answer` gets the end of the path and the parameters; `asked` and `headers` remember."""

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, str]], Answer] = lambda path, params: vector()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: dict[str, str] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                path, params = parts.path.rsplit("/", 1)[1], dict(parse_qsl(parts.query))
                fake.asked.append((path, params))
                fake.headers = {name.lower(): value for name, value in self.headers.items()}
                status, body = fake.answer(path, params)
                self.send_response(status)
                self.end_headers()
                try:
                    for part in body:
                        self.wfile.write(part)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client has had enough

            def log_message(self, format: str, *args: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
