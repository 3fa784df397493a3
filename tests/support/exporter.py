"""An exporter whose gauges a test sets."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Exporter:
    """Serves gauges on 127.0.0.1 as Prometheus scrapes them; `set` changes one at once."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """`set("up", 0, service="api")`."""
        inside = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
        self._values[f"{name}{{{inside}}}" if inside else name] = value

    def text(self) -> str:
        """What is scraped."""
        return "".join(f"{series} {value}\n" for series, value in dict(self._values).items())

    def __enter__(self) -> Exporter:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
