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
# what a command, a container or a pod that failed is reported by: its own last lines say why
_WRAPPER = re.compile(
    r"exit(?:ed)?(?: with)?(?: a)? (?:non.?zero|code|status)|non.?zero exit|returned? (?:a )?non.?zero"
    r"|container failed|'StatusCode'|pod \S+ returned a failure|CalledProcessError",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(
    r"^(?:\[[^\]]*\]\s*)*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Timeout|Refused)\b(?::|$)"
)
_TRACEBACK = "Traceback (most recent call last)"
_CHAINED = ("direct cause of the following", "another exception occurred")


def tail(content: Any, lines: int) -> str:
    """The last lines of a log, without secrets. Airflow gives structured lines, or text when it has none."""
    text = "\n".join(_line(entry) for entry in _entries(content)[-lines:])
    # Cut before, because a line of a megabyte would hold up the step; and after, because of the limit.
    last = "\n".join(text[-4 * _MOST :].splitlines()[-lines:])
    return redact(_UNSTORABLE.sub(" ", last))[-_MOST:]


def telling(content: Any) -> Iterator[str]:
    """The lines that may say why the task failed, the most telling first.

    What it raised last, and what that was raised from, decides: what was said, or raised and handled, before
    (`connection refused, trying again`) is no reason. Only when that tells no more than that a command has
    failed, the last lines of the command speak for it. Without an exception the errors speak, the latest
    first, and of a text without levels every line.
    """
    entries = _entries(content)
    structured = [entry for entry in entries if isinstance(entry, Mapping)]
    last = max((n for n, entry in enumerate(structured) if _details(entry)), default=None)
    if last is not None:
        details = _details(structured[last])
        yield from (_raised(detail) for detail in details)
        if any(_WRAPPER.search(_raised(detail)) for detail in details):
            yield from (str(entry.get("event", ""))[:1_000] for entry in structured[:last][-_LINES:][::-1])
        structured = structured[last:]
    for entry in reversed(structured):
        if str(entry.get("level")).lower() in _LOUD:
            yield f"{entry.get('event', '')}{_signal(entry)}"
    plain = [line for entry in entries if isinstance(entry, str) for line in entry.splitlines()]
    yield from _of_text([line[:1_000] for line in plain[-_LINES:]])


def _of_text(lines: Sequence[str]) -> Iterator[str]:
    """From the end; beyond the beginning of the last traceback only when it says so."""
    last = max((n for n, line in enumerate(lines) if _EXCEPTION.search(line)), default=None)
    if last is None or _WRAPPER.search(lines[last]):
        yield from reversed(lines)
        return
    yield from reversed(lines[last:])
    for number in range(last - 1, -1, -1):
        if _EXCEPTION.search(lines[number]):
            yield lines[number]
        if _TRACEBACK in lines[number]:
            before = "".join(lines[max(0, number - 3) : number])
            if not any(words in before for words in _CHAINED):
                return


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
    frames = detail.get("frames") or [{}]
    if detail.get("exc_type") == "KeyError" and str(frames[-1].get("filename")).endswith(
        ("<frozen os>", "os.py")
    ):
        return f"KeyError: the environment variable {str(detail.get('exc_value'))[:1_000]} is not set"
    return f"{detail.get('exc_type')}: {str(detail.get('exc_value'))[:1_000]}"


def _signal(entry: Mapping[str, Any]) -> str:
    return f" ({entry['signal_name']})" if entry.get("signal_name") else ""
