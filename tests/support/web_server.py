"""A small web server whose answer a test changes while it runs."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class WebServer:
    """Answers every GET and POST with `status`, `headers` and `body`, after `delay` seconds.

    `drips`: sends one byte of an endless header every 50 ms, so that no read ever times out. `asked` keeps
    the path and the Authorization header of each request.
    """

    def __init__(
        self, certificate: Path | None = None, port: int = 0, *, clients: Path | None = None
    ) -> None:
        """`certificate` is a PEM file with key and certificate: then it speaks TLS, and, with `clients`, only
        to those who show a certificate of that authority.
        """
        self.status, self.body, self.delay, self.drips = 200, b"ok", 0.0, False
        self.headers: dict[str, str] = {}
        self.paths: dict[str, tuple[int, dict[str, str]]] = {}  # answers of single paths
        self.asked: list[tuple[str, str]] = []
        self._server = _Server(("127.0.0.1", port), _handler(self))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> WebServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Its port then refuses connections."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> None:
        """Until it is stopped, at most that long."""
        self._stopped.wait(seconds)

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def __enter__(self) -> WebServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, self.headers.get("Authorization", "")))
            if server.drips:
                return self._drip()
            server.wait(server.delay)
            status, headers = server.paths.get(self.path, (server.status, server.headers))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(server.body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(server.body)
            return None

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def _drip(self) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
                while not server.stopped:
                    self.wfile.write(b"x")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler
