"""LokiApi: ask Loki's query API, bounded in time and size. Nothing else knows its protocol."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from incident_response.domain.connections import Connection
from incident_response.domain.redaction import one_line
from incident_response.http_until import bounded, within

_MOST_BYTES = 10_000_000
_REMEDY = {
    400: "correct the query",
    401: "check login and password, or extra.bearer_token, of the connection",
    403: "its user may not read, or extra.org_id names a tenant that is not its own",
    404: "the host of the connection has to be Loki's own address, without /loki/api/v1",
    429: "it is asked too much; raise the interval or its limits",
}


class Unanswered(Exception):
    """One question got no usable answer; the text says why and what to check."""


class LokiApi:
    """Thread-safe; one per look, ended by leaving `with`. `seconds` is for everything that is asked.

    Raises Unanswered when no request can be made of the connection.
    """

    def __init__(self, found: Connection, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if org := found.extra.get("org_id"):
            headers["X-Scope-OrgID"] = str(org)
        if token := found.extra.get("bearer_token"):
            headers["Authorization"] = f"Bearer {token}"
        login = (found.login, found.password) if found.login and not token else None
        try:
            self._client = bounded(httpx.Client(base_url=found.url, headers=headers, auth=login))
        except (httpx.InvalidURL, ValueError):
            raise Unanswered("no request can be made of its connection; check host and token") from None

    def __enter__(self) -> LokiApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def left(self) -> float:
        """Seconds, never less than 0."""
        return max(0.0, self._until - time.monotonic())

    def ask(self, path: str, params: Mapping[str, str | int]) -> Any:
        """GET `/loki/api/v1/<path>`; the `data` of its answer. Raises Unanswered."""
        if not self.left:
            raise Unanswered("there was no time left to ask; raise time_limit or ask for less")
        try:
            asked = self._client.stream("GET", f"/loki/api/v1/{path}", params=dict(params), timeout=self.left)
            with within(self.left), asked as answer:
                return self._data(answer, self._read(answer))
        except httpx.TimeoutException:
            raise Unanswered("it did not answer in time; raise time_limit or narrow the query") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(
                f"{type(error).__name__}; check that it runs and the host of the connection"
            ) from None

    def _read(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                raise Unanswered(f"its answer is longer than {_MOST_BYTES // 10**6} MB; narrow the query")
            if not self.left:
                raise Unanswered("its answer did not end in time; raise time_limit or narrow the query")
        return bytes(body)

    def _data(self, answer: httpx.Response, body: bytes) -> Any:
        status = answer.status_code
        if status != 200:
            said = one_line(body[:4000].decode(errors="replace"), 200)
            remedy = _REMEDY.get(status, "its own log says why")
            raise Unanswered(f"HTTP {status}{': ' + said if said else ''}; {remedy}")
        try:
            return json.loads(body)["data"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unanswered("it answered, but not as Loki does; check the host of the connection") from None
