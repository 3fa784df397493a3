"""check.http: an address answers as a healthy one does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from incident_response.clients.giving_up import Patience
from incident_response.clients.http_access import authorization_of
from incident_response.clients.http_probe import Answer, Probe
from incident_response.clients.tls_certificate import context
from incident_response.domain.actions import Finding, Scene
from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.domain.redaction import one_line
from incident_response.parameters.base import Parameters
from incident_response.parameters.check_steps import CheckHttp

from .kit import Kit

_MOST_SECONDS = 10.0  # of one answer
_LEAST_SECONDS = 0.5  # with less left nothing is asked


@dataclass(frozen=True)
class _Target:
    """What is asked, and what is expected."""

    url: str
    expect_status: tuple[tuple[int, int], ...]
    body: str | None
    json_values: Any
    follows: bool
    retries: int = 0


class HttpAnswers:
    """So many good answers in a row, in one look."""

    parameters: ClassVar[type[Parameters]] = CheckHttp

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, scene: Scene) -> Finding:
        """Ask until one answer is bad or all were good. Raises NotConfigured."""
        asked: CheckHttp = scene.parameters
        deadline = time.monotonic() + scene.seconds
        connection = self._kit.connection(asked.conn_id) if asked.conn_id else None
        target, headers = _target(asked, connection), _headers(asked, connection)
        tls = _tls(asked)
        shown = target.url.split("?", 1)[0]  # a query may hold a secret
        good = 0
        answer = Answer("was not asked, no time was left")
        while good < asked.times:
            left = deadline - time.monotonic()
            if left < _LEAST_SECONDS:
                break
            probe = Probe(target, tls, headers, min(_MOST_SECONDS, left * 0.9), self._kit.now())
            answer = _ask(probe, left * 0.95)
            if answer.problem or _slow(answer, asked.within):
                break
            good += 1
            if good < asked.times:
                threading.Event().wait(min(asked.pause.total_seconds(), deadline - time.monotonic()))
        data = {"url": shown, "status": answer.status, "successes": good, "seconds": answer.seconds}
        if good == asked.times:
            row = f" {good} times in a row" if good > 1 else ""
            text = f"{shown} answers {answer.status} as expected{row}, last in {answer.seconds or 0:.2f} s"
            return Finding(one_line(text, 200), data, proven=True)
        problem = answer.problem or _slow(answer, asked.within) or "was not asked often enough in time"
        text = f"{shown} {problem}, after {good} of {asked.times} good answers"
        return Finding(one_line(text, 200), {**data, "problem": problem, "sample": answer.sample})


def _ask(probe: Probe, seconds: float) -> Answer:
    try:
        return Patience("check.http").wait(probe.run, seconds)
    except TimeoutError:
        probe.stop()
        return Answer(f"gives no complete answer within {seconds:.1f} s")


def _target(asked: CheckHttp, connection: Connection | None) -> _Target:
    url = asked.url
    if url is None:
        assert connection is not None  # the model wants one of the two
        url = f"{connection.url}{asked.path}"
        if not url.startswith(("http://", "https://")) or "@" in url or not connection.host:
            raise NotConfigured(
                f"check.http: the host of the connection {asked.conn_id!r} is no http:// or https:// address "
                "or holds a login; put the login into its own fields"
            )
    redirect = all(low >= 300 and high < 400 for low, high in asked.status)
    return _Target(url, asked.status, asked.body, asked.json_values, not redirect, asked.retries)


def _headers(asked: CheckHttp, connection: Connection | None) -> dict[str, str]:
    if connection is None or (asked.url is None and not connection.login and not connection.password):
        return {}
    return authorization_of(connection, "check.http", asked.conn_id or "")


def _tls(asked: CheckHttp) -> Any:
    try:
        return context(verify=asked.verify, authority=asked.ca)
    except OSError as error:
        raise NotConfigured(
            f"check.http: the certificate authority {asked.ca} cannot be read ({error.strerror or error}); "
            "it must exist where the check runs"
        ) from None


def _slow(answer: Answer, within: timedelta | None) -> str:
    took, limit = answer.seconds or 0.0, within.total_seconds() if within else None
    return f"answers in {took:.2f} s (limit {limit:g} s)" if limit is not None and took > limit else ""
