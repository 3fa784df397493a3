"""One end for a whole HTTP request. Timeouts of httpx bound each step: who drips goes on for ever."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import httpx

_ends: ContextVar[float | None] = ContextVar("ends", default=None)  # by the monotonic clock


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What a bounded client does in here, in this thread, ends then: with a timeout of httpx."""
    before = _ends.get()
    ends = time.monotonic() + seconds
    token = _ends.set(ends if before is None else min(before, ends))
    try:
        yield
    finally:
        _ends.reset(token)


def bounded(client: httpx.Client) -> httpx.Client:
    """The client, whose reading and writing heeds `within`."""
    # httpx has no argument for the network below it, and a transport of one's own would forget the proxies of
    # the environment.
    mounted: Iterable[Any] = client._mounts.values()
    for transport in (client._transport, *mounted):
        pool: Any = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Network(pool._network_backend)
    return client


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    ends = _ends.get()
    if ends is None:
        return timeout
    left = ends - time.monotonic()
    if left <= 0:
        raise late("the time for the whole answer is over")
    return left if timeout is None else min(timeout, left)


class _Network(httpcore.NetworkBackend):
    """Opens streams that heed the end."""

    def __init__(self, below: httpcore.NetworkBackend) -> None:
        self._below = below

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._below.connect_tcp(host, port, left, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._below.connect_unix_socket(path, left, socket_options))

    def sleep(self, seconds: float) -> None:
        self._below.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A stream that heeds the end at each step."""

    def __init__(self, below: httpcore.NetworkStream) -> None:
        self._below = below

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._below.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._below.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._below.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._below.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)
