"""Forms: small, urlencoded, and proven to be ours before a route sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request

from incident_response.domain.errors import BadInput

from . import csrf
from .auth import Operator, secret

LIMIT = 64 * 1024  # bytes of a whole form
_FIELDS = 60  # as many as one page has signals to choose from, and a few


async def _checked(request: Request, who: Operator) -> Mapping[str, str]:
    """The fields of a form that this operator sent from our page. 403: from elsewhere, 413: too large."""
    fields = _fields(await _body(request))
    # Kept for the page that tells of an error: nobody has to type a text twice.
    request.state.form = fields
    if not csrf.is_ours(request.headers, fields.get(csrf.FIELD, ""), secret(), who.id):
        raise HTTPException(403, csrf.REFUSED)
    return fields


async def _body(request: Request) -> bytes:
    """At most LIMIT bytes, whatever the header promises."""
    kind = (
        request.headers.get("content-type", "application/x-www-form-urlencoded").split(";")[0].strip().lower()
    )
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, f"A form is sent as application/x-www-form-urlencoded, not as {kind}.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LIMIT:
            raise HTTPException(
                413, f"The form is larger than {LIMIT // 1024} KB. Nothing was changed; shorten the text."
            )
    return body


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise BadInput("the form has too many fields; nothing was changed") from error
    # A NUL cannot be stored in PostgreSQL; browsers send line ends as CR LF.
    return {name: value.replace("\x00", "").replace("\r\n", "\n") for name, value in pairs}


Form = Annotated[Mapping[str, str], Depends(_checked)]
