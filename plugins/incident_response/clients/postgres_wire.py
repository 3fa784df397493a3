"""A start of a session on PostgreSQL's wire, only to hear why it is refused.

libpq gives no SQLSTATE for a connection that failed, and the text is in the server's language. The wire
carries the code. Nothing is asked of the server: when it lets us in, we hang up.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from incident_response.domain.connections import Connection

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL = 3 << 16
_LONGEST = 64 * 1024  # bytes of one message; a refusal is short
_OK, _CLEAR, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
# What libpq alone knows.
_ELSEWHERE = ("service", "passfile", "sslpassword", "sslcrl", "sslcrldir", "hostaddr")


@dataclass(frozen=True)
class Heard:
    """What came: an SQLSTATE with the server's line, or an error of the network."""

    code: str = ""
    message: str = ""
    error: OSError | None = None


def hear(connection: Connection, seconds: float) -> Heard | None:
    """Why it refuses us now, within `seconds` in all.

    None: it lets us in, or asks for something that is not known here; then only the driver's text tells.
    """
    extra = connection.extra
    if seconds <= 0 or any(extra.get(name) for name in _ELSEWHERE) or extra.get("sslnegotiation") == "direct":
        return None
    ends = time.monotonic() + seconds
    silent: Heard | None = None
    for host in str(connection.host or "localhost").split(","):
        try:
            with contextlib.closing(_connect(host, int(connection.port or 5432), ends)) as plain:
                link = _encrypted(plain, host, extra, ends)
                with contextlib.closing(link):
                    return _start(_Wire(link, ends), connection)
        except ssl.SSLError:
            return None  # the driver's text says what is wrong with a certificate
        except OSError as error:
            silent = Heard(error=error)
        except (ValueError, struct.error, IndexError):
            return None  # no PostgreSQL
    return silent


def _connect(host: str, port: int, ends: float) -> socket.socket:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left")
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=left)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.settimeout(left)
        link.connect(f"{host}/.s.PGSQL.{port}")
    except OSError:
        link.close()
        raise
    return link


def _encrypted(link: socket.socket, host: str, extra: Mapping[str, Any], ends: float) -> socket.socket:
    """As libpq does it for this `sslmode`."""
    mode = str(extra.get("sslmode") or "prefer")
    if mode in ("disable", "allow") or host.startswith("/"):
        return link
    link.settimeout(max(0.01, ends - time.monotonic()))
    link.sendall(_SSL_REQUEST)
    if link.recv(1) != b"S":
        return link
    context = ssl.create_default_context(cafile=extra.get("sslrootcert") or None)
    context.check_hostname = mode == "verify-full"
    if mode not in ("verify-ca", "verify-full"):
        context.verify_mode = ssl.CERT_NONE
    if extra.get("sslcert"):
        context.load_cert_chain(extra["sslcert"], extra.get("sslkey") or None)
    return context.wrap_socket(link, server_hostname=host)


class _Wire:
    """Messages of protocol 3.0; all waits together end at `ends`."""

    def __init__(self, link: socket.socket, ends: float) -> None:
        self._link, self._ends = link, ends

    def send(self, kind: bytes, body: bytes) -> None:
        self._wait()
        self._link.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def receive(self) -> tuple[bytes, bytes]:
        """Kind and body. Raises OSError, ValueError."""
        kind, length = struct.unpack("!ci", self._read(5))
        if not 4 <= length <= _LONGEST:
            raise ValueError("no message of PostgreSQL")
        return kind, self._read(length - 4)

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            self._wait()
            piece = self._link.recv(count - len(found))
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            found += piece
        return found

    def _wait(self) -> None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._link.settimeout(left)


def _start(wire: _Wire, connection: Connection) -> Heard | None:
    user = connection.login or "postgres"
    words = ("user", user, "database", connection.schema or user, "application_name", "incident_response")
    wire.send(b"", struct.pack("!i", _PROTOCOL) + b"".join(w.encode() + b"\0" for w in words) + b"\0")
    login = _Login(user, connection.password or "")
    while True:
        kind, body = wire.receive()
        if kind == b"E":
            fields = dict(_fields(body))
            return Heard(fields.get("C", ""), f"{fields.get('V', 'FATAL')}: {fields.get('M', '')}")
        if kind == b"Z":  # ready: it lets us in
            wire.send(b"X", b"")
            return None
        if kind == b"R":
            (asked,) = struct.unpack("!i", body[:4])
            if asked not in (_OK, _SASL_FINAL):
                answer = login.answer(asked, body[4:])
                if answer is None:
                    return None
                wire.send(b"p", answer)


def _fields(body: bytes) -> Iterator[tuple[str, str]]:
    for field in body.split(b"\0"):
        if field:
            yield chr(field[0]), field[1:].decode(errors="replace")


class _Login:
    """Answers to what a server asks: a password as it stands, by MD5, by SCRAM-SHA-256."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._nonce = base64.b64encode(os.urandom(18)).decode()

    def answer(self, asked: int, data: bytes) -> bytes | None:
        """None: it asks for a password and there is none, or for something else."""
        if not self._password:
            return None
        if asked == _CLEAR:
            return self._password.encode() + b"\0"
        if asked == _MD5:
            # As the protocol has it; no secret of ours is protected by it.
            inner = hashlib.md5(f"{self._password}{self._user}".encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + data[:4], usedforsecurity=False).hexdigest()
            return f"md5{outer}".encode() + b"\0"
        if asked == _SASL and b"SCRAM-SHA-256" in data.split(b"\0"):
            first = f"n,,n=,r={self._nonce}".encode()
            return b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first
        return self._proof(data.decode()) if asked == _SASL_CONTINUE else None

    def _proof(self, server: str) -> bytes:
        """The client's last word of RFC 5802."""
        said = dict(part.split("=", 1) for part in server.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", self._password.encode(), base64.b64decode(said["s"]), min(int(said["i"]), 1_000_000)
        )
        key = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c=biws,r={said['r']}"
        message = f"n=,r={self._nonce},{server},{without}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return f"{without},p={base64.b64encode(proof).decode()}".encode()
