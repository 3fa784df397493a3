"""The tables of docs/detectors.md, made from the records of detectors.yaml.

`python -m tests.support.detector_fields` writes them anew between the marks of the document.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from incident_response.domain.business_hours import Span
from incident_response.http_statuses import in_words
from incident_response.library.detectors_file import AnySource
from incident_response.sources.base import Entry, Source
from incident_response.sources.data_checks import Check
from tests.support import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "detectors.md"
_BLOCK = re.compile(r"<!-- fields: (\w+) -->\n.*?<!-- /fields -->", re.S)
_SAME = "As for the source; what is not set here is the source's."
EVERY = "every_kind"


def kinds() -> Mapping[str, type[Source]]:
    """Every kind of source, by the word in the file."""
    return {get_args(one.model_fields["kind"].annotation)[0]: one for one in get_args(get_args(AnySource)[0])}


def tables(kind: str) -> str:
    """All tables of a kind, Markdown: its own fields, then those of each entry in it."""
    if kind == EVERY:
        return _table(Source.model_fields)
    source = kinds()[kind]
    own = {n: f for n, f in source.model_fields.items() if n != "kind" and not _inherited(n, f, Source)}
    parts = [_table(own)]
    for entry, places in _entries(own).items():
        heading = f"{', '.join(f'`{place}`' for place in places)}: {_first_line(entry)}"
        fields = dict(entry.model_fields)
        if issubclass(entry, Check) and entry is not Check:
            fields = {n: f for n, f in fields.items() if n != "kind" and not _inherited(n, f, Check)}
            word = get_args(entry.model_fields["kind"].annotation)[0]
            heading = f"`kind: {word}` ({entry.alert}): {_first_line(entry)}"
        parts.append(f"{heading}\n\n{_table(fields)}")
    return "\n\n".join(parts)


def renewed(text: str) -> str:
    """The document with all tables as they are now."""
    return _BLOCK.sub(
        lambda found: f"<!-- fields: {found[1]} -->\n{tables(found[1])}\n<!-- /fields -->", text
    )


def names(kind: str) -> Iterator[str]:
    """All names that a table of this kind must have."""
    yield from re.findall(r"^\| `(\w+)` \|", tables(kind), re.M)


def undescribed() -> Iterator[str]:
    """Fields that say nothing of themselves, `Model.field`."""
    seen: set[type[Entry]] = set()
    for source in kinds().values():
        for entry in (source, *_entries(source.model_fields)):
            if entry in seen:
                continue
            seen.add(entry)
            for name, field in entry.model_fields.items():
                if name != "kind" and not _meaning(name, field):
                    yield f"{entry.__name__}.{name}"


def _table(fields: Mapping[str, FieldInfo]) -> str:
    rows = [f"| `{f.alias or n}` | {_default(f)} | {_meaning(n, f)} |" for n, f in fields.items()]
    return "\n".join(["| field | default | meaning |", "|---|---|---|", *rows])


def _inherited(name: str, field: FieldInfo, base: type[Entry]) -> bool:
    before = base.model_fields.get(name)
    return before is not None and (before.default, before.description) == (field.default, field.description)


def _meaning(name: str, field: FieldInfo) -> str:
    text = field.description or _SAME * (name in _OVERRIDES)
    choices = [str(one) for one in _choices(field.annotation)]
    told = f" One of {', '.join(f'`{one}`' for one in choices)}." if len(choices) > 1 else ""
    return (text + told).replace("|", "\\|")


# Settings of one container that stand for the source's settings of the same name.
_OVERRIDES = ("start_grace", "memory_percent", "memory_clear", "restarts")


def _choices(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) in (Union, types.UnionType, tuple):
        for part in get_args(annotation):
            yield from _choices(part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}):
        return ""
    if value == ((200, 399),):
        return f"`{in_words(value)}`"
    return f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    """As one writes it into the file."""
    if isinstance(value, timedelta):
        return str(Span(elapsed=value))
    if isinstance(value, Entry):
        set_ = {n: getattr(value, n) for n in type(value).model_fields}
        inner = [f"{n}: {_shown(v)}" for n, v in set_.items() if v is not None and v not in ("", ())]
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_shown(one) for one in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) and value.replace("_", "").isalnum() else json.dumps(value)


def _entries(fields: Mapping[str, FieldInfo]) -> dict[type[Entry], list[str]]:
    """Every entry inside and where it stands, the outer before the inner."""
    found: dict[type[Entry], list[str]] = {}
    waiting = [(name, f.annotation) for name, f in fields.items()]
    while waiting:
        place, annotation = waiting.pop(0)
        for entry in _models(annotation):
            if entry not in found:
                if issubclass(entry, Check):
                    found.setdefault(Check, []).append(place)
                waiting += [(f"{place}.{name}", f.annotation) for name, f in entry.model_fields.items()]
            found.setdefault(entry, []).append(place)
    return {entry: list(dict.fromkeys(places)) for entry, places in found.items()}


def _models(annotation: Any) -> Iterator[type[Entry]]:
    if isinstance(annotation, type) and issubclass(annotation, Entry):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _first_line(model: type[Entry]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
