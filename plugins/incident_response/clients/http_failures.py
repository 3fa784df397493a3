"""Why there was no answer, in words."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from incident_response.domain.redaction import one_line

from .tls_certificate import verification_error

REFUSES = "refuses connections"


def in_words(error: BaseException, seconds: float) -> str:
    """The end of a sentence that begins with the service's name. `seconds`: the time it was given."""
    import httpx

    if refused := verification_error(error):
        why = one_line(refused.verify_message or str(refused), 120)
        return f"shows a certificate that cannot be trusted: {why}"
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return REFUSES
        if isinstance(cause, socket.gaierror):
            return f"has a name that cannot be resolved: {one_line(cause.strerror or str(cause), 80)}"
    if isinstance(error, httpx.ConnectTimeout):
        return f"accepts no connection within {seconds:.1f} s"
    if isinstance(error, httpx.TimeoutException):
        return f"does not answer within {seconds:.1f} s"
    if isinstance(error, httpx.ConnectError):
        return f"cannot be reached: {one_line(str(error), 120)}"
    return f"gives a broken answer: {one_line(str(error), 120) or type(error).__name__}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
