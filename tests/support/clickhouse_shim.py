"""ClickHouse's HTTP interface over chDB, as much as qryn needs. A program, with chDB on its path.

Usage: clickhouse_shim.py PORT FOLDER
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session  # type: ignore[import-not-found]


class Handler(BaseHTTPRequestHandler):
    """One statement per request: in `query`, with its data in the body, or as the body itself."""

    protocol_version = "HTTP/1.1"
    session: Session
    lock = threading.Lock()  # an embedded engine has one session

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = parse_qs(urlsplit(self.path).query)
        statement = "\n".join([*asked.get("query", []), body])
        try:
            with self.lock:
                if database := asked.get("database"):
                    self.session.query(f"USE {database[0]}")
                answer = bytes(self.session.query(statement, "TabSeparated").bytes() or b"")
            status = 200
        except Exception as error:  # noqa: BLE001 - the engine's complaints of all kinds go to who asked
            answer, status = str(error).encode(), 500
            print(f"{error}\n  in: {statement[:2000]}", file=sys.stderr, flush=True)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Statements that fail are told, the others are not."""


if __name__ == "__main__":
    Handler.session = Session(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
