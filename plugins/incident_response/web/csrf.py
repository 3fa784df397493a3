"""Writes come from our own pages, not from a page elsewhere that uses the reader's cookie.

A custom header, which other sites cannot send, would be enough for scripts; but the forms must work without
script, and a form sends no headers. So each form carries a token: an HMAC over the user's id with Airflow's
secret key. Another site can neither read it nor make one, and one user's token is of no use to another. It
does not expire: a page that was left open overnight must work at 3 a.m. As a second lock, a browser that says
the request came from another site (Sec-Fetch-Site, sent over https and on localhost) is refused whatever the
token. Requests with an Authorization header need neither: a browser never adds that header by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FIELD = "csrf"
REFUSED = (
    "This form did not come from this page, or the page is from before a restart. Nothing was changed. "
    "Load the page again and repeat."
)


def token(secret: str, user: str) -> str:
    """The value that a form of this user must carry."""
    return hmac.new(secret.encode(), f"incident_response form v1 {user}".encode(), hashlib.sha256).hexdigest()


def is_ours(headers: Mapping[str, str], sent: str, secret: str, user: str) -> bool:
    """True when the write was meant by the user. `headers` ignores case; `sent` is the form's token."""
    if headers.get("authorization", "").lower().startswith("bearer "):
        return True
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return hmac.compare_digest(sent.encode(), token(secret, user).encode())
