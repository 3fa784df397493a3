"""Console: the message goes to the log of whoever ticks. The channel that always works."""

from __future__ import annotations

import logging

from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel
from incident_response.domain.safe_text import lines, visible

log = logging.getLogger("incident_response.console")


class Console:
    """Writes messages to the log."""

    name = "console"

    def deliver(self, parcel: Parcel, message: Message) -> None:
        """Log one line for the subject, and the body indented below it."""
        # The body has lines of its own, each behind an indent that no line of a log has.
        body = "\n".join(f"    {line}" for line in lines(message.body).splitlines())
        outgoing, subject = parcel.outgoing, visible(message.subject)
        log.warning("%s → %s: %s\n%s", outgoing.kind.value, outgoing.receiver, subject, body)
