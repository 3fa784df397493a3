"""Console: the message goes to the log of whoever ticks. The channel that always works."""

from __future__ import annotations

import logging

from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel

log = logging.getLogger("incident_response.console")


class Console:
    """Writes messages to the log."""

    name = "console"

    def deliver(self, parcel: Parcel, message: Message) -> None:
        """Log one line for the subject, and the body indented below it."""
        body = "\n".join(f"    {line}" for line in message.body.splitlines())
        log.warning(
            "%s → %s: %s\n%s", parcel.outgoing.kind.value, parcel.outgoing.receiver, message.subject, body
        )
