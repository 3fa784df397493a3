"""Wire: HTTP to a Docker Engine, by its socket or by TCP."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured
from incident_response.domain.redaction import one_line, redact

from .http_access import credentials_of
from .tls_certificate import context

if TYPE_CHECKING:
    import httpx

_SCHEMES = ("unix://", "tcp://", "http://", "https://")
_PORT = re.compile(r":\d+(?:/|$)")
_PLAIN, _SECURE = 2375, 2376  # ports that engines usually have
_CONNECTIONS = 8
# Answers are read as they come: unpacked they could be far larger.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "incident-response"}


class Reply:
    """An answer whose body is not read yet. Reading raises what the Wire raises."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; once."""
        return self._response.iter_raw()

    def read(self, most: int) -> bytes:
        """The body; of one that is longer than `most` bytes, a part that is longer, too."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > most:
                break
        return bytes(body)


class Wire:
    """Sends requests, none of them twice by itself, and none by the proxies of the environment.

    The time of a request bounds all of it, the reading of its answer, too. Raises what `failures` lists.
    """

    def __init__(self, name: str, connection: Connection, where: str) -> None:
        """`where`: the machines on which the connection's TLS files must lie. Raises NotConfigured."""
        import httpx

        self.url = engine_url(name, connection)
        self.failures: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL, OSError)
        scheme, rest = self.url.split("://", 1)
        tls = _tls(name, connection, where) if scheme in ("tcp", "https") else None
        if scheme == "unix":
            base, socket = "http://localhost", f"/{rest.lstrip('/')}"
        else:
            scheme = scheme.replace("tcp", "https" if tls else "http")
            base, socket = f"{scheme}://{rest}", None
        if scheme == "https" and tls is None:
            tls = context(verify=True)
        try:
            url = httpx.URL(base)
        except httpx.InvalidURL:
            raise _no_address(name, self.url) from None
        login, password = credentials_of(connection, url.username, url.password)
        from incident_response.http_until import bounded  # with httpx, when it is used

        made = httpx.Client(
            base_url=url.copy_with(userinfo=b""),  # it may be logged with each request
            auth=httpx.BasicAuth(login, password) if login else None,
            headers=_HEADERS,
            trust_env=False,
            transport=httpx.HTTPTransport(
                uds=socket,
                verify=tls or False,
                trust_env=False,
                limits=httpx.Limits(max_connections=_CONNECTIONS),
            ),
        )
        self._client = bounded(made)

    @contextlib.contextmanager
    def open(
        self, method: str, path: str, params: Mapping[str, str] | None, content: Any, seconds: float
    ) -> Iterator[Reply]:
        """The answer, whatever its status. `content` is sent as JSON, None: nothing."""
        from incident_response.http_until import within

        sent = self._client.stream(method, path, params=params, json=content, timeout=seconds)
        with within(seconds), sent as response:
            yield Reply(response)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


def engine_url(name: str, connection: Connection) -> str:
    """The engine's address from an Airflow connection. Raises NotConfigured."""
    host = connection.host.strip().rstrip("/")
    port = f":{connection.port}" if connection.port is not None else ""
    if host.startswith("/"):
        return f"unix://{host}"
    if host and "://" not in host:
        host = f"tcp://{host}"
    if not host.startswith(_SCHEMES):
        raise _no_address(name, host)
    if not port and host.startswith("tcp://") and not _PORT.search(host):
        secure = connection.extra.get("tls_cert") or connection.extra.get("tls_ca")
        port = f":{_SECURE if secure else _PLAIN}"
    return f"{host}{port}"


def _no_address(name: str, host: str) -> NotConfigured:
    return NotConfigured(
        f"{name}: the connection's host is {redact(host)!r}, no address of a Docker Engine; write "
        "unix:///var/run/docker.sock or tcp://host:2375"
    )


def _tls(name: str, connection: Connection, where: str) -> ssl.SSLContext | None:
    """What the connection's extra says: whom to trust, and who we are. None when it says nothing."""
    import httpx

    authority, certificate, key = (
        str(connection.extra.get(f"tls_{part}") or "") for part in ("ca", "cert", "key")
    )
    if not (authority or certificate or key):
        return None
    try:
        made = context(verify=True, authority=authority) if authority else httpx.create_ssl_context()
        if certificate or key:
            # With no password given, a key that has one would wait for it at a terminal.
            made.load_cert_chain(certificate, key or None, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise NotConfigured(
            f"{name}: a TLS file cannot be used ({one_line(str(error), 150)}); check the paths tls_ca, "
            f"tls_cert and tls_key in the connection's extra: they must exist {where}"
        ) from None
    return made
