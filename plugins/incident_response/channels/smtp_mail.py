"""Email through Airflow's SMTP connection.

smtplib and not Airflow's SmtpHook: the hook asks for its connection by itself, and in a thread of the 3.1.3
triggerer that kills the whole triggerer. The connection's fields mean the same as for the hook.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage

from incident_response.domain.connections import Connection
from incident_response.domain.errors import DeliveryFailed, NotConfigured
from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel
from incident_response.domain.safe_text import for_header, lines, visible

_DOMAIN = "incident-response.airflow"


class Email:
    """Sends plain-text mail. `find` gives the SMTP connection (None: not configured)."""

    name = "email"

    def __init__(self, find: Callable[[], Connection | None], timeout: float = 10.0) -> None:
        self._find, self._timeout = find, timeout

    def deliver(self, parcel: Parcel, message: Message) -> None:
        """Send one mail.

        The Message-ID is made from the key: a repeat is recognisable, a thread holds an incident.
        """
        found = self._find()
        if found is None:
            raise DeliveryFailed("there is no SMTP connection; create the Airflow connection `smtp_default`")
        mail = EmailMessage()
        mail["Subject"], mail["To"] = for_header(message.subject), visible(parcel.outgoing.receiver)
        mail["From"] = str(found.extra.get("from_email") or found.login or f"incidents@{_DOMAIN}")
        mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{_DOMAIN}>"
        mail["References"] = f"<INC-{message.incident}@{_DOMAIN}>"
        mail.set_content(lines(message.body))
        try:
            with self._connect(found) as server:
                if found.login:
                    server.login(found.login, found.password)
                server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(_explain(error, found)) from error

    def greet(self) -> None:
        """Log in and send nothing. Raises NotConfigured without a connection, DeliveryFailed."""
        found = self._find()
        if found is None:
            raise NotConfigured("there is no SMTP connection; create the Airflow connection `smtp_default`")
        try:
            with self._connect(found) as server:
                if found.login:
                    server.login(found.login, found.password)
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(_explain(error, found)) from error

    def _connect(self, found: Connection) -> smtplib.SMTP:
        context = ssl.create_default_context()
        timeout = min(float(found.extra.get("timeout", self._timeout)), self._timeout)
        if not found.extra.get("disable_ssl", False):
            return smtplib.SMTP_SSL(found.host, found.port or 465, timeout=timeout, context=context)
        server = smtplib.SMTP(found.host, found.port or 25, timeout=timeout)
        if not found.extra.get("disable_tls", False):
            server.starttls(context=context)
        return server


def _explain(error: Exception, found: Connection) -> str:
    """What went wrong, without anything the server may have echoed of our login."""
    code = getattr(error, "smtp_code", "")
    return f"mail server {found.host}:{found.port or ''} answered {type(error).__name__} {code}".strip()
