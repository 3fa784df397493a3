"""Probe: one target asked once, with its retries, in a thread that cannot hang for ever."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from incident_response.domain.redaction import one_line

from .http_expectations import MOST_BYTES, Expected, what_is_wrong
from .http_failures import in_words
from .tls_certificate import end_of, fetch_end, says_expired, verification_error

if TYPE_CHECKING:
    import httpx

_PAUSE = 0.2  # seconds before a retry
_MOST_REDIRECTS = 5


class Target(Expected, Protocol):
    """One address, and how it is asked."""

    @property
    def url(self) -> str:
        """Where to ask."""

    @property
    def follows(self) -> bool:
        """Whether a redirect to the same host is followed."""

    @property
    def retries(self) -> int:
        """Further tries."""


@dataclass(frozen=True)
class Answer:
    """What came of one look at one target."""

    problem: str = ""  # what is wrong, as the end of a sentence; empty: nothing
    seconds: float | None = None  # the answer took; None: there was none
    status: int | None = None
    sample: str = ""  # first line of an answer that was not as expected
    certificate_end: datetime | None = None
    expired: bool = False  # the certificate is over, so nothing else was seen
    tries: int = 1


class Probe:
    """Asks one target. `run` is called in a thread; `stop` ends it from another one."""

    def __init__(
        self,
        target: Target,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        seconds: float,
        now: datetime,
    ) -> None:
        """`seconds` is the time of one try."""
        self._target, self._tls, self._seconds, self._now = target, tls, seconds, now
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "incident-response", **headers}
        self._sockets: list[socket.socket] = []
        self._stopped = threading.Event()

    def run(self) -> Answer:
        """The answer of the first good try, else of the last."""
        for number in range(1, self._target.retries + 2):
            answer = self._try(number)
            if not answer.problem or answer.expired or self._stopped.wait(_PAUSE):
                break
        return answer

    def stop(self) -> None:
        """End a try that still waits: a server that sends a byte now and then never runs into a timeout."""
        self._stopped.set()
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _try(self, number: int) -> Answer:
        import httpx

        started = time.monotonic()
        self._sockets.clear()
        try:
            with httpx.Client(
                verify=self._tls, timeout=self._seconds, trust_env=False, headers=self._headers
            ) as client:
                return self._ask(client, number, started)
        except (httpx.HTTPError, OSError) as error:
            return self._failed(error, number)
        except (httpx.InvalidURL, ValueError) as error:  # a name that cannot be one, found out late
            return Answer(f"cannot be asked: {one_line(str(error), 120)}", tries=number)

    def _ask(self, client: httpx.Client, number: int, started: float) -> Answer:
        request: httpx.Request | None = client.build_request(
            "GET", self._target.url, extensions={"trace": self._trace}
        )
        for _ in range(_MOST_REDIRECTS + 1):
            assert request is not None
            response = client.send(request, stream=True)
            try:
                request = self._next(response)
                if request is None:
                    return self._judge(response, number, started)
            finally:
                response.close()
        return Answer(f"redirects more than {_MOST_REDIRECTS} times", tries=number)

    def _next(self, response: httpx.Response) -> httpx.Request | None:
        """The request that a redirect to the same host asks for; None: this is the answer."""
        follow = response.next_request
        if follow is None or not self._target.follows or follow.url.host != response.request.url.host:
            return None
        return follow

    def _judge(self, response: httpx.Response, number: int, started: float) -> Answer:
        session = response.extensions["network_stream"].get_extra_info("ssl_object")
        end = end_of(session)
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if time.monotonic() - started > self._seconds:
                return Answer(
                    f"answers {response.status_code}, but not to the end within {self._seconds:.1f} s",
                    status=response.status_code, certificate_end=end, tries=number,
                )  # fmt: skip
            if len(body) > MOST_BYTES:
                break
        seconds = time.monotonic() - started
        problem = what_is_wrong(self._target, response.status_code, bytes(body))
        sample = one_line(body[:2000].decode(errors="replace"), 200) if problem else ""
        return Answer(problem, seconds, response.status_code, sample, end, tries=number)

    def _failed(self, error: Exception, number: int) -> Answer:
        import httpx

        refused = verification_error(error)
        if refused is None:
            return Answer(in_words(error, self._seconds), tries=number)
        end = None
        if isinstance(error, httpx.RequestError):
            url = error.request.url  # after a redirect not the target's
            end = fetch_end(url.host, url.port or 443, self._seconds)
        # It can also be the authority's certificate that is over: then the chain is broken.
        expired = says_expired(refused) and end is not None and end <= self._now
        return Answer(in_words(error, self._seconds), certificate_end=end, expired=expired, tries=number)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        # httpx's documented way to see the connection of a request that has no response yet.
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            found = info["return_value"].get_extra_info("socket")
            if found is not None:
                self._sockets.append(found)
