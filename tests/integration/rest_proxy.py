"""A proxy before Airflow's REST API that can hold a request back, before or after Airflow has seen it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.support.processes import free_port


class RestProxy:
    """`clears` are the clears for real that reached Airflow; `hold("before" or "after")` stops the next."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.target = ""
        self.clears: list[dict[str, Any]] = []
        self.held = threading.Event()
        self.release = threading.Event()
        self._hold = ""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients are killed on purpose

    def hold(self, when: str) -> None:
        self.held.clear()
        self.release.clear()
        self._hold = when

    def __enter__(self) -> RestProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response | None:
        """Airflow's answer; None: the request was dropped before Airflow saw it."""
        when = self._stops(method, path, body)
        if when == "before":
            self.held.set()
            self.release.wait(120)
            return None
        answer = httpx.request(
            method, self.target + path, headers=headers, content=body, timeout=30, trust_env=False
        )
        if _is_clear(method, path, body):
            self.clears.append(json.loads(body))
        if when == "after":
            self.held.set()
            self.release.wait(120)
        return answer

    def _stops(self, method: str, path: str, body: bytes) -> str:
        with self._lock:
            if not self._hold or not _is_clear(method, path, body):
                return ""
            when, self._hold = self._hold, ""
            return when


def _is_clear(method: str, path: str, body: bytes) -> bool:
    return method == "POST" and path.endswith("/clearTaskInstances") and not json.loads(body)["dry_run"]


def _handler(proxy: RestProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = ("authorization", "content-type", "accept")
            headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
            answer = proxy.pass_on(self.command, self.path, headers, body)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = do_DELETE = _pass

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
