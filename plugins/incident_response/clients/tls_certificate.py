"""When a TLS certificate ends, read from the session itself, whether it was verified or not."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime, timezone
from functools import cache
from typing import Any

_EXPIRED = 10  # OpenSSL: X509_V_ERR_CERT_HAS_EXPIRED


def context(*, verify: bool, authority: str | None = None) -> ssl.SSLContext:
    """How a target's certificate is verified. Raises OSError when the authority's file cannot be read."""
    if not verify:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    if authority:
        return ssl.create_default_context(cafile=authority)
    return _public()


@cache
def _public() -> ssl.SSLContext:
    # Reading the world's authorities takes longer than asking a service; they do not change.
    import httpx

    return httpx.create_ssl_context()


def end_of(session: Any) -> datetime | None:
    """The end of the certificate that the other side of an ssl session showed; None when it showed none."""
    der = session.getpeercert(True) if session is not None else None
    if not der:
        return None
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError:
        return None  # OpenSSL takes what this library refuses; then nobody knows its end
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    return certificate.not_valid_after.replace(tzinfo=timezone.utc)  # cryptography before 42


def fetch_end(host: str, port: int, seconds: float) -> datetime | None:
    """Ask a server only for its certificate, when the verified session has failed; None: no answer."""
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            context(verify=False).wrap_socket(plain, server_hostname=host) as session,
        ):
            return end_of(session)
    except OSError:
        return None


def verification_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The verification that failed, somewhere in the chain of causes."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__cause__ or error.__context__
    return None


def says_expired(error: ssl.SSLCertVerificationError) -> bool:
    """Whether it failed because a certificate of the chain has ended; it need not be the server's own."""
    return error.verify_code == _EXPIRED
