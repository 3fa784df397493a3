"""What an Airflow connection says about access to an HTTP API: headers and certificates."""

from __future__ import annotations

import base64
import ssl
from typing import Any

from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured

from .tls_certificate import context

_WORDS = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}


def headers_of(connection: Connection) -> dict[str, str]:
    """Headers of every request: `extra.bearer_token`. Raises ValueError for one that is no token."""
    # Unpacked answers could be far larger than what is read from the wire.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    token = str(connection.extra.get("bearer_token") or "").strip()
    if token:
        if not (token.isascii() and token.isprintable()):
            raise ValueError("extra.bearer_token holds characters that no token has")
        headers["Authorization"] = f"Bearer {token}"
    return headers


def authorization_of(connection: Connection, name: str, conn_id: str) -> dict[str, str]:
    """The header for login and password (basic), or for a password alone (bearer). Raises NotConfigured."""
    if connection.login:
        pair = base64.b64encode(f"{connection.login}:{connection.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if not connection.password:
        raise NotConfigured(
            f"{name}: the connection {conn_id!r} has neither login nor password; "
            "give both for basic authentication, or a password alone for a bearer token"
        )
    return {"Authorization": f"Bearer {connection.password}"}


def credentials_of(connection: Connection, username: str, password: str) -> tuple[str, str]:
    """Login and password: the connection's own, else those in its URL."""
    return (connection.login, connection.password) if connection.login else (username, password)


def ssl_of(connection: Connection) -> ssl.SSLContext:
    """`extra.verify`: true (default), false, or a file with the certificates of those who may sign.

    Raises ValueError when the file cannot be used.
    """
    verify: Any = connection.extra.get("verify", True)
    if isinstance(verify, str):
        verify = _WORDS.get(verify.strip().lower(), verify)
    try:
        return context(verify=bool(verify), authority=verify if isinstance(verify, str) else None)
    except OSError:  # ssl.SSLError is one
        raise ValueError("the file of extra.verify cannot be read, or holds no certificates") from None
