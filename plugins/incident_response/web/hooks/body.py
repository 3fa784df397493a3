"""The body of a request as JSON: bounded in size, in depth and in time, whatever its headers claim."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from incident_response.store.documents import plain

from .refusals import NOTHING, Refusal, too_large, unreadable

LIMIT = 1024 * 1024  # bytes of a whole body
DEPTH = 32  # of lists and objects in each other
SECONDS = 15.0  # for the whole body to arrive

_SMALLER = (
    "Send fewer alerts in one request (`max_alerts` in Alertmanager, Max Alerts in Grafana), or shorter ones."
)


async def read(request: Request) -> bytes:
    """At most LIMIT bytes within SECONDS. Raises Refusal."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        # A kilobyte of gzip may unpack to a gigabyte.
        raise Refusal(415, f"The body is compressed. {NOTHING}", "Send it without Content-Encoding.")
    promised = request.headers.get("content-length", "")
    if promised.isascii() and promised.isdigit() and (len(promised) > 12 or int(promised) > LIMIT):
        raise _too_large()
    try:
        return await asyncio.wait_for(_received(request), SECONDS)
    except (asyncio.TimeoutError, TimeoutError):
        raise Refusal(
            408, f"The body did not arrive within {SECONDS:g} s. {NOTHING}", "Send it again."
        ) from None
    except ClientDisconnect:
        raise unreadable("The connection ended before the body did.", "Send it again.") from None


async def _received(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LIMIT:
            raise _too_large()
    return bytes(body)


def parse(body: bytes) -> Any:
    """What the body says, with texts that every database can store. Raises Refusal."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise unreadable(f"The body is not UTF-8 (byte {error.start}).", "Send it as UTF-8.") from None
    try:
        # Not json.loads: this one ends a deep nesting with an error before it ends the process.
        value = from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError:  # its words may quote the body
        raise unreadable(
            "The body is no JSON.", "Look at quotes, commas and escapes of the template."
        ) from None
    if _deeper_than(value, DEPTH):
        raise unreadable(f"The body is nested deeper than {DEPTH} levels.", "Send flatter details.")
    # Storable as it is, unless an escape smuggled in what UTF-8 and JSON do not allow.
    return plain(value) if b"\\u" in body else value


def _deeper_than(value: Any, levels: int) -> bool:
    """Level by level, without recursion."""
    row = [value]
    for _ in range(levels):
        holders = [outer for outer in row if isinstance(outer, (dict, list))]
        row = [i for outer in holders for i in (outer.values() if isinstance(outer, dict) else outer)]
    return any(isinstance(inner, (dict, list)) for inner in row)


def _too_large() -> Refusal:
    return too_large(f"The body is larger than {LIMIT // 1024} KiB.", _SMALLER)
