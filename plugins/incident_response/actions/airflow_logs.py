"""Logs of tasks: their last lines for people, and the lines that tell why a task failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from incident_response.domain.errors import NaiveTime
from incident_response.domain.redaction import redact

from .airflow_records import moment

_MOST = 16_384  # characters of one log that are kept, the last ones
_LINES = 60  # of a plain text that are searched
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # PostgreSQL refuses them in JSON
_LOUD = ("error", "critical")


def tail(content: Any, lines: int) -> str:
    """The last lines of a log, without secrets. Airflow gives structured lines, or text when it has none."""
    text = "\n".join(_line(entry) for entry in _entries(content)[-lines:])
    # Cut before, because a line of a megabyte would hold up the step; and after, because of the limit.
    last = "\n".join(text[-4 * _MOST :].splitlines()[-lines:])
    return redact(_UNSTORABLE.sub(" ", last))[-_MOST:]


def telling(content: Any) -> Iterator[str]:
    """The lines that may say why the task failed, the most telling first.

    First what it raised last and what that was raised from, then errors, the latest first. What a task
    said on its way (`timed out, trying again`) is no reason, unless the log has no levels at all.
    """
    entries = _entries(content)
    structured = [entry for entry in entries if isinstance(entry, Mapping)]
    raised = [entry for entry in structured if entry.get("error_detail")]
    if raised:
        yield from (_raised(detail) for detail in _details(raised[-1]))
    for entry in reversed(structured):
        if str(entry.get("level")).lower() in _LOUD:
            yield f"{entry.get('event', '')}{_signal(entry)}"
    plain = [line for entry in entries if isinstance(entry, str) for line in entry.splitlines()]
    yield from reversed([line[:1_000] for line in plain[-_LINES:]])


def last_words(content: Any) -> datetime | None:
    """When a task last said something; None when its log tells no time."""
    for entry in reversed(_entries(content)):
        if isinstance(entry, Mapping) and entry.get("timestamp"):
            try:
                return moment(str(entry["timestamp"]))
            except (ValueError, NaiveTime):
                continue
    return None


def _entries(content: Any) -> Sequence[Any]:
    return content if isinstance(content, list) else str(content or "").splitlines()


def _line(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    level = str(entry.get("level") or "").upper()
    said = f"{entry.get('event', '')}{_signal(entry)}"
    head = " ".join(part for part in (str(entry.get("timestamp") or ""), level, said) if part)
    return "\n".join([head, *_errors(entry)])


def _errors(entry: Mapping[str, Any]) -> Iterator[str]:
    """An exception: where it was raised, and what it says."""
    for detail in _details(entry):
        for frame in (detail.get("frames") or [])[-3:]:
            yield f"    {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
        yield f"    {_raised(detail)}"


def _details(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = entry.get("error_detail")
    return [one for one in details if isinstance(one, Mapping)] if isinstance(details, list) else []


def _raised(detail: Mapping[str, Any]) -> str:
    return f"{detail.get('exc_type')}: {str(detail.get('exc_value'))[:1_000]}"


def _signal(entry: Mapping[str, Any]) -> str:
    return f" ({entry['signal_name']})" if entry.get("signal_name") else ""
