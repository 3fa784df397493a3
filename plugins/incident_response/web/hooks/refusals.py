"""What a sender is told when its request is not taken: a status, what is wrong, and what to do.

Alertmanager and Grafana send again what was answered with 5xx and drop what was answered with 4xx, 429 and
408 too; clients of PagerDuty repeat both 429 and 5xx. So whatever may go better later says 503: a real
alert must not be lost because much was sent at once. 4xx is for what can never be taken, and the people
here are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NOTHING = "Nothing was taken."


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is not taken. Holds nothing of the body and nothing of the token."""

    status: int
    message: str
    remedy: str
    headers: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()  # one line for each field that is wrong

    @property
    def is_lasting(self) -> bool:
        """Whether the sender, if we know it, drops what it sent: to send it again would change nothing."""
        return 400 <= self.status < 500 and self.status not in (401, 404, 405)


def unknown() -> Refusal:
    """No token, a wrong one and a revoked one read the same: which it is, a stranger must not learn."""
    return Refusal(
        401,
        f"The token is missing, wrong or revoked. {NOTHING}",
        "Send it as `Authorization: Bearer ir_…` or as the password of HTTP basic authentication; for "
        "PagerDuty's Events v2 as `routing_key`. `python -m incident_response integrations add` makes one.",
        {"WWW-Authenticate": "Bearer"},
    )


def wrong_kind(wanted: str, kind: str) -> Refusal:
    """A token that is right, at the wrong door."""
    return Refusal(
        403,
        f"This token belongs to an integration of kind {kind}; this address takes {wanted}. {NOTHING}",
        f"Send it to the address of {kind}, or make a token with `--kind {wanted}`.",
    )


def too_fast(seconds: int) -> Refusal:
    """More requests than one integration may send."""
    return Refusal(
        503,
        f"This integration sends too many requests. {NOTHING}",
        f"Send it again after {seconds} s; several alerts fit into one request.",
        {"Retry-After": str(seconds)},
    )


def busy() -> Refusal:
    """Too many requests wait already."""
    return Refusal(
        503,
        f"Too many requests wait. {NOTHING}",
        "Send it again after some seconds.",
        {"Retry-After": "5"},
    )


def too_slow(seconds: float) -> Refusal:
    """A body that does not come."""
    return Refusal(
        503,
        f"The body did not arrive within {seconds:g} s. {NOTHING}",
        "Send it again.",
        {"Retry-After": "5"},
    )


def away(message: str) -> Refusal:
    """The store, or what has to be read before it, cannot be used now. The sender keeps the signal."""
    return Refusal(503, f"{message} {NOTHING}", "Send it again after some seconds.", {"Retry-After": "10"})


def too_large(what: str, remedy: str) -> Refusal:
    """More than one request may carry."""
    return Refusal(413, f"{what} {NOTHING}", remedy)


def unreadable(what: str, remedy: str) -> Refusal:
    """No JSON that could be looked at."""
    return Refusal(400, f"{what} {NOTHING}", remedy)


def wrong(problems: tuple[str, ...]) -> Refusal:
    """JSON, but not what this address takes."""
    return Refusal(
        422,
        f"The body is not what this address takes: {'; '.join(problems)}. {NOTHING}",
        "Correct the named fields; docs/webhooks.md shows a body of each kind.",
        problems=problems,
    )
