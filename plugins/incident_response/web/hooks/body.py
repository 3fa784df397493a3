"""The body of a request as JSON: bounded in size, in depth and in time, whatever its headers claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from incident_response.store.documents import plain

from .refusals import NOTHING, Refusal, too_large, too_slow, unreadable
from .room import SMALL, Room

LIMIT = 8 * 1024 * 1024  # bytes of a whole body: some 7,000 ordinary alerts
STRANGERS = 1024 * 1024  # of one that is read before its sender is known
DEPTH = 32  # of lists and objects in each other
SECONDS = 15.0  # for the whole body to arrive
SECONDS_LARGE = 45.0  # and so much more for the rest of one that is larger than SMALL

_SMALLER = (
    "Send fewer alerts in one request (`max_alerts: 1000` in Alertmanager's webhook_configs, Max Alerts in "
    "Grafana), group them by more labels, or make them shorter."
)


@asynccontextmanager
async def read(request: Request, room: Room, limit: int) -> AsyncIterator[bytes]:
    """At most `limit` bytes. The place in the room is kept until the context ends. Raises Refusal."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        # A kilobyte of gzip may unpack to a gigabyte.
        raise Refusal(415, f"The body is compressed. {NOTHING}", "Send it without Content-Encoding.")
    promised = request.headers.get("content-length", "")
    if promised.isascii() and promised.isdigit() and (len(promised) > 12 or int(promised) > limit):
        raise _too_large(limit)
    async with AsyncExitStack() as held:
        await room.enter(held)
        parts, body = request.stream(), bytearray()
        try:
            await _within(SECONDS, _receive(parts, body, min(SMALL, limit)))
            if len(body) > SMALL:
                await room.enter_large(held)
                await _within(SECONDS_LARGE, _receive(parts, body, limit))
        except ClientDisconnect:
            raise unreadable("The connection ended before the body did.", "Send it again.") from None
        if len(body) > limit:
            raise _too_large(limit)
        yield bytes(body)


async def _within(seconds: float, receiving: Any) -> None:
    try:
        await asyncio.wait_for(receiving, seconds)
    except (asyncio.TimeoutError, TimeoutError):
        raise too_slow(seconds) from None


async def _receive(parts: AsyncIterator[bytes], body: bytearray, enough: int) -> None:
    """Until there are more than `enough` bytes, or all."""
    if len(body) > enough:
        return
    async for part in parts:
        body += part
        if len(body) > enough:
            return


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


def _too_large(limit: int) -> Refusal:
    return too_large(f"The body is larger than {limit // 1024 // 1024} MiB.", _SMALLER)
