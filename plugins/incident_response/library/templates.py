"""Renderer: Jinja templates of include/templates. A broken template never holds back a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from incident_response.domain.incidents import Incident
from incident_response.domain.logs import logger
from incident_response.domain.ports import Message
from incident_response.domain.records import Parcel
from incident_response.domain.safe_text import for_header, for_markdown, for_slack, lines, visible
from incident_response.domain.timeline import EventKind, TimelineEvent

log = logger(__name__)
_UPDATES = (
    EventKind.UPDATE,
    EventKind.REMEDIATION,
    EventKind.ESCALATED,
    EventKind.MITIGATED,
    EventKind.RESOLVED,
)


class Written(str):
    """What people have written, in lines of their own: its markup is theirs."""

    __slots__ = ()


class Templates:
    """Implements ports.Renderer.

    `zone` names the zone that people read times in; `page_url` the board's address.
    """

    def __init__(self, folder: Path, zone: Callable[[], str], page_url: str) -> None:
        # Sandboxed: a template is text that a person edits, it must not reach into Python.
        self._jinja = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,  # mail and Markdown are no HTML; the page escapes
            finalize=_said(visible),
        )
        self._zone, self._page_url = zone, page_url.rstrip("/")
        self._jinja.filters |= {"local": self._local, "written": Written}
        # Whatever a template says is made safe for its medium, unless people have written it.
        self._markdown = self._jinja.overlay(finalize=_said(for_markdown))
        self._slack = self._jinja.overlay(finalize=_said(for_slack))

    def message(self, parcel: Parcel, incident: Incident, timeline: Sequence[TimelineEvent]) -> Message:
        """The message of one outbox row. The template's first line is `Subject: …`."""
        outgoing = parcel.outgoing
        names = [f"{outgoing.channel}/{outgoing.template}.txt.j2", f"email/{outgoing.template}.txt.j2"]
        facts = {
            "incident": incident,
            "link": f"{self._page_url}/{incident.key}",
            "timeline": timeline,
            "latest": _latest(timeline) or incident.title,
            "repeated": parcel.interrupted,
            "message": _message(incident, outgoing.data),
        }
        jinja = self._slack if outgoing.channel == "slack" else self._jinja
        try:
            text = jinja.select_template(names).render(facts)
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
            log.error("include/templates/%s: %s", names[-1], error)
            text = _plain(incident, facts, error)
        head, _, body = text.partition("\n")
        subject = " ".join(for_header(head.removeprefix("Subject:")).split())[:200]
        return Message(outgoing.key, subject, body.strip() + "\n", incident.number)

    def report(self, facts: Mapping[str, Any]) -> str:
        """The incident report of procedures §6.1, Markdown. Raises jinja2.TemplateError."""
        return self._markdown.get_template("report/incident_report.md.j2").render(facts)

    def _local(self, moment: datetime | None, form: str = "%Y-%m-%d %H:%M %Z") -> str:
        return moment.astimezone(ZoneInfo(self._zone())).strftime(form) if moment else "—"


def _said(safe: Callable[[str], str]) -> Callable[[Any], Any]:
    """What becomes of each value that a template says."""

    def finalize(value: Any) -> Any:
        if isinstance(value, Written):
            return lines(value) if safe is not for_slack else "\n".join(map(safe, lines(value).split("\n")))
        return safe(value) if isinstance(value, str) else value

    return finalize


def _latest(timeline: Sequence[TimelineEvent]) -> str:
    found = next((event for event in reversed(timeline) if event.kind in _UPDATES), None)
    if found is None:
        return ""
    return Written(found.text) if found.kind is EventKind.UPDATE else found.text


def _message(incident: Incident, data: Mapping[str, Any]) -> dict[str, Any]:
    found = {"reason": "", "level": incident.level, "text": "", **data}
    return {**found, "text": Written(found["text"])} if isinstance(found["text"], str) else found


def _plain(incident: Incident, facts: Mapping[str, Any], error: Exception) -> str:
    """What is sent when the template is broken: less pretty, on time."""
    return (
        f"Subject: [{incident.severity.value}] {incident.key}: {visible(incident.title)}\n"
        f"{incident.key} is {incident.status.value}. "
        f"{facts['message']['reason'] or facts['message']['text']}\n"
        f"{facts['link']}\n\n(The message template is broken: {error})\n"
    )
