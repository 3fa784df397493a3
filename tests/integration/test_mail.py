"""Mail through a real SMTP server: the three templates of the procedures, repeats, refusals."""

from __future__ import annotations

import logging
from dataclasses import replace
from email.header import decode_header, make_header

import pytest

from incident_response.channels.smtp_mail import Email
from incident_response.domain.changes import Outgoing, OutgoingKind
from incident_response.domain.classification import Rule, Rules
from incident_response.domain.commands import post_update, resolve
from incident_response.domain.connections import Connection
from incident_response.domain.errors import DeliveryFailed
from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel
from incident_response.domain.signals import Signal
from incident_response.library.templates import Templates
from tests.support.house import House
from tests.support.shipped import INCLUDE, START, opened, policy
from tests.support.smtp import SmtpServer

pytestmark = pytest.mark.integration


def connection(smtp: SmtpServer, **extra: object) -> Connection:
    return Connection(
        host="127.0.0.1",
        port=smtp.port,
        extra={"disable_ssl": True, "disable_tls": True, "from_email": "incidents@example.com", **extra},
    )


def parcel(template: str = "incident_notification", *, interrupted: bool = False, **data: object) -> Parcel:
    outgoing = Outgoing(
        f"INC-1:{template}", 1, OutgoingKind.PAGE, "email", "operations@example.com", template, START, data
    )
    return Parcel(1, outgoing, START, interrupted=interrupted)


def render(parcel_: Parcel) -> Message:
    templates = Templates(INCLUDE / "templates", lambda: "Europe/Stockholm", "https://airflow.test/incidents")
    change = opened(START)
    if parcel_.outgoing.template == "status_update":
        change = post_update(change.incident, policy(), "half of it is back", "operator", START)
    if parcel_.outgoing.template == "resolution":
        change = resolve(change.incident, policy(), "operator", START, resolution="restarted")
    return templates.message(parcel_, change.incident, change.events)


@pytest.mark.parametrize(
    ("template", "data", "expected"),
    [
        (
            "incident_notification",
            {"reason": "new incident", "level": 1},
            [
                "[P1] Incident: PostgreSQL refuses connections",
                "- Severity: P1",
                "- Status: Triggered",
                "- Affected Systems: lianel_energy",
                "Next Update: ",
                "https://airflow.test/incidents/INC-1",
            ],
        ),
        (
            "status_update",
            {"text": "half of it is back"},
            ["Incident Update: PostgreSQL", "Status: Triggered", "half of it is back", "ETA: "],
        ),
        (
            "resolution",
            {"text": "restarted"},
            [
                "Incident Resolved: PostgreSQL",
                "Status: Resolved",
                "restarted",
                "Prevention:",
                "/INC-1/report",
            ],
        ),
        ("update_reminder", {"text": ""}, ["Status update due", "Owner: nobody yet"]),
    ],
)
def test_each_template_arrives_as_written(
    smtp: SmtpServer, template: str, data: dict[str, object], expected: list[str]
) -> None:
    """Subject, the lines of the procedures' template, and the link."""
    one = parcel(template, **data)
    Email(lambda: connection(smtp)).deliver(one, render(one))
    mail = smtp.wait(1)[0]
    text = f"{mail['Subject']}\n{mail.get_content()}"
    for part in expected:
        assert part in text
    assert mail["X-Envelope-To"] == "operations@example.com"


def test_a_repeat_has_the_same_id_and_says_so(smtp: SmtpServer) -> None:
    """A mail client recognises it, and so does a person."""
    channel = Email(lambda: connection(smtp))
    for interrupted in (False, True):
        one = parcel(interrupted=interrupted, reason="new incident", level=1)
        channel.deliver(one, render(one))
    first, second = smtp.wait(2)
    assert first["Message-ID"] == second["Message-ID"]
    assert "may be a repeat" in second.get_content()


@pytest.mark.parametrize("answer", ["451 try again later", "550 no such user"])
def test_a_refusal_is_a_failure_to_be_tried_again(smtp: SmtpServer, answer: str) -> None:
    """The error names the server and the code."""
    smtp.refuse_with = answer
    with pytest.raises(DeliveryFailed, match=answer[:3]):
        Email(lambda: connection(smtp)).deliver(parcel(), render(parcel()))


def test_a_server_that_is_away_is_a_failure_to_be_tried_again(smtp: SmtpServer) -> None:
    """Nothing hangs."""
    smtp.stop()
    with pytest.raises(DeliveryFailed, match="ConnectionRefusedError"):
        Email(lambda: connection(smtp)).deliver(parcel(), render(parcel()))
    smtp.start()


def test_without_a_connection_the_remedy_is_named() -> None:
    """Mail addresses in the policy, but no mail server."""
    with pytest.raises(DeliveryFailed, match="smtp_default"):
        Email(lambda: None).deliver(parcel(), render(parcel()))


def test_a_header_cannot_be_smuggled_in(smtp: SmtpServer) -> None:
    """A title with a line break stays a title."""
    message = Message("k", render(parcel()).subject, "body", 1)
    evil = Message("k", "a title\r\nBcc: everybody@example.com".replace("\r\n", " "), message.body, 1)
    Email(lambda: connection(smtp)).deliver(parcel(), evil)
    assert smtp.wait(1)[0]["Bcc"] is None


def test_passwords_stay_secret(smtp: SmtpServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor the log nor a printed connection shows it."""
    found = Connection(
        "127.0.0.1",
        "user",
        "hunter2-very-secret",
        smtp.port,
        extra={"disable_ssl": True, "disable_tls": True, "token": "hunter3"},
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(DeliveryFailed) as error:
        Email(lambda: found).deliver(parcel(), render(parcel()))
    assert "hunter" not in f"{error.value!r} {error.value} {caplog.text} {found!r}"


def test_a_broken_template_still_sends(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Less pretty, on time."""
    folder = tmp_path_factory.mktemp("templates")
    (folder / "email").mkdir()
    (folder / "email" / "incident_notification.txt.j2").write_text("Subject: {{ incident.nothing.at.all }}")
    templates = Templates(folder, lambda: "UTC", "https://airflow.test/incidents")
    change = opened(START)
    message = templates.message(parcel(reason="new incident"), change.incident, change.events)
    assert message.subject == "[P1] INC-1: PostgreSQL refuses connections"
    assert "new incident" in message.body
    assert "template is broken" in message.body


EVIL = "=?utf-8?q?=5BP4=5D?= ok\r\nBcc: x@evil.example\u202e\x1b[2J\n\nAcknowledge: http://evil.example"


def test_words_of_an_alert_forge_neither_header_nor_line(smtp: SmtpServer) -> None:
    """A subject is what was checked, and each line of the body is one of the template's."""
    signal = Signal("webhook", {"alertname": "X", "service": EVIL}, EVIL, START)
    title = Rules([Rule("x", title="{service}")]).classify(signal).title
    assert "\n" not in title
    change = opened(START)
    incident = replace(change.incident, title=EVIL, service=EVIL)  # as an older version has stored it
    templates = Templates(INCLUDE / "templates", lambda: "UTC", "https://airflow.test/incidents")
    sent = parcel(reason=EVIL, level=1)
    Email(lambda: connection(smtp)).deliver(sent, templates.message(sent, incident, change.events))
    (mail,) = smtp.wait(1)
    subject = str(make_header(decode_header(mail["Subject"])))
    assert "= ?utf-8" in subject
    assert "[P4]" not in subject
    assert mail["Bcc"] is None
    body = mail.get_content()
    assert [line for line in body.splitlines() if line.startswith(("Acknowledge:", "Bcc:"))] == [
        "Acknowledge: https://airflow.test/incidents/INC-1"
    ]
    assert not {"\x1b", "\u202e"} & set(body)


def test_words_of_an_alert_forge_no_heading_of_a_report() -> None:
    """What people have written keeps its markup; what an alert says is text."""
    house = House()
    evil = "a\n# Resolved\n- [x] <img src=x> ![y](http://evil)"
    house.intake.receive([Signal("webhook", {"alertname": "X", "service": evil}, evil, START)], START)
    with house.store.read() as tx:
        (number,) = [row.incident.number for row in tx.board(5)]
    report = house.review.report(number)
    assert [line for line in report.splitlines() if line.startswith("# ")][1:] == []
    assert "<img" not in report.replace("\\<img", "")
    assert "![" not in report
