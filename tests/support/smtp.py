"""A real SMTP server that keeps what it is given."""

from __future__ import annotations

import email
import email.policy
import time
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.processes import free_port


class SmtpServer:
    """On 127.0.0.1 at `port`; accepts all mail until it is told to refuse. `stop` makes connections fail."""

    def __init__(self) -> None:
        self.port = free_port()
        self.messages: list[EmailMessage] = []
        self.refuse_with: str | None = None  # an answer such as "451 try again later" or "550 no such user"
        self._controller: Controller | None = None

    def start(self) -> SmtpServer:
        """Also after `stop`, on the same port."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def wait(self, count: int = 1, timeout: float = 20) -> list[EmailMessage]:
        """All messages, once there are at least that many."""
        deadline = time.monotonic() + timeout
        while len(self.messages) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.messages)} of {count} messages after {timeout:.0f} s")
            time.sleep(0.05)
        return list(self.messages)

    def __enter__(self) -> SmtpServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd, in its own thread, when a message is complete."""
        if self.refuse_with is not None:
            return self.refuse_with
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        message["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 kept"
