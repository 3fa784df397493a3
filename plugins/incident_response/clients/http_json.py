"""JsonHttp: GET JSON from an outside system, bounded in time and in size."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.redaction import one_line

from .http_access import credentials_of, headers_of, ssl_of

if TYPE_CHECKING:
    import httpx

LIMIT = 10_000_000  # bytes of one answer
_ERROR_LIMIT = 4096  # bytes read of an answer that is an error


class HttpRefused(SourceUnavailable):
    """The system answered, and did not give what was asked for.

    `status` is the HTTP status, `answer` the reason that its body gives: one line, redacted.
    """

    def __init__(self, message: str, *, status: int, answer: str = "") -> None:
        self.status, self.answer = status, answer
        super().__init__(message)


class JsonHttp:
    """All requests of one look: a context manager; together they end `seconds` after its making.

    `connection` gives the URL, login and password (basic auth) or `extra.bearer_token`, and
    `extra.verify`. Messages begin with `name` and name `conn_id`, never a secret. Only the look-up of the
    host's name is bounded by the system's own resolver.
    """

    def __init__(
        self, name: str, conn_id: str, connection: Connection, seconds: float, *, limit: int = LIMIT
    ) -> None:
        """Raises SourceUnavailable when the connection cannot be used."""
        import httpx

        self._name, self._conn_id, self._limit = name, conn_id, limit
        self._deadline = time.monotonic() + seconds
        self._sockets: list[Any] = []
        try:
            url = httpx.URL(connection.url)
            if url.scheme not in ("http", "https") or not url.host:
                raise ValueError("no http:// or https:// URL with a host")
            self._where = f"{url.scheme}://{url.netloc.decode()}"
            headers = headers_of(connection)
            login, password = credentials_of(connection, url.username, url.password)
            self._client = httpx.Client(
                # Without the credentials that a URL may hold: it is logged with each request.
                base_url=url.copy_with(userinfo=b"", query=None, fragment=None),
                headers=headers,
                auth=httpx.BasicAuth(login, password) if login and "Authorization" not in headers else None,
                verify=ssl_of(connection),
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError, OSError) as problem:
            why = (
                "its URL cannot be read" if isinstance(problem, httpx.InvalidURL) else one_line(str(problem))
            )
            raise SourceUnavailable(f"{name}: {why}; correct the connection {conn_id!r}") from None

    def __enter__(self) -> JsonHttp:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def left(self) -> float:
        """Seconds that are left for all further requests."""
        return max(0.0, self._deadline - time.monotonic())

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> Any:
        """The decoded answer; `seconds` bounds this request beside the bound of all.

        Raises HttpRefused for an answer that is not 2xx, and SourceUnavailable when there is none.
        """
        import httpx

        allowed = self.left if seconds is None else min(seconds, self.left)
        if allowed < 0.01:
            raise SourceUnavailable(f"{self._name}: no time was left to ask for {path}; give it more time")
        end = time.monotonic() + allowed
        # Timeouts of httpx bound each step; a server that drips goes on for ever. So the wire is cut.
        timer = threading.Timer(allowed, self._cut)
        timer.daemon = True
        timer.start()
        try:
            with self._client.stream(
                "GET",
                path,
                params=dict(params or {}),
                headers=dict(headers or {}),
                timeout=allowed,
                extensions={"trace": self._trace},
            ) as answer:
                body = self._read(answer, path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unanswered(error, path, allowed, late=time.monotonic() >= end) from None
        finally:
            timer.cancel()
            timer.join()  # one that is cutting already must not meet the sockets of the next request
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise HttpRefused(
                f"{self._name}: {self._where} answered {path} with something that is not JSON, perhaps a "
                f"login page; check the URL of the connection {self._conn_id!r}",
                status=200,
            ) from None

    def _read(self, answer: httpx.Response, path: str) -> bytes:
        failed = not answer.is_success
        limit = _ERROR_LIMIT if failed else self._limit
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > limit:
                break
        if failed:
            raise self._refused(answer.status_code, bytes(body[:limit]), path)
        if len(body) > limit:
            raise SourceUnavailable(
                f"{self._name}: the answer to {path} is larger than {limit / 1e6:g} MB; ask for less"
            )
        return bytes(body)

    def _refused(self, status: int, body: bytes, path: str) -> HttpRefused:
        text = _reason(body)
        if status in (401, 403):
            remedy = f"check login, password or bearer_token of the connection {self._conn_id!r}"
        elif status < 400 or status == 404:
            remedy = f"check the URL of the connection {self._conn_id!r}"
        elif status == 429 or status >= 500:
            remedy = "it is asked again at its next turn"
        else:
            remedy = "correct what is asked, in detectors.yaml or in the step of the runbook"
        said = f": {text}" if text else ""
        message = f"{self._name}: {self._where} answered {path} with HTTP {status}{said}; {remedy}"
        return HttpRefused(message, status=status, answer=text)

    def _unanswered(
        self, error: httpx.HTTPError | httpx.InvalidURL, path: str, seconds: float, *, late: bool
    ) -> SourceUnavailable:
        import httpx

        if late or isinstance(error, httpx.TimeoutException):
            what = f"did not answer {path} within {seconds:.1f} s"
        elif isinstance(error, httpx.ConnectError):
            what = f"cannot be reached ({one_line(str(error), 120)})"
        else:
            what = f"did not answer {path} ({type(error).__name__})"
        return SourceUnavailable(
            f"{self._name}: {self._where} {what}; check that it runs, and the connection {self._conn_id!r}"
        )

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx at each step: remembers the sockets that it opens."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    def _cut(self) -> None:
        for opened in self._sockets:
            with suppress(OSError, AttributeError):
                opened.shutdown(socket.SHUT_RDWR)


def _reason(body: bytes) -> str:
    """What the body of an error says, "" for a page."""
    text = body.decode("utf-8", "replace").strip()
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        decoded = None
    if isinstance(decoded, dict):
        named = (decoded.get(name) for name in ("error", "message", "detail"))
        text = next((said for said in named if isinstance(said, str)), text)
    return "" if text.startswith("<") else one_line(text)
