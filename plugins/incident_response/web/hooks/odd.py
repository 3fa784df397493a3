"""What is odd in a body, made readable: one odd field must not cost the alert, nor one alert its group.

A number becomes text, null is left out, a time that cannot be read is, too, so that the arrival counts.
What was changed is said in words, which are kept with the signal. What only the sender can know is not
guessed: a field that is missing, misspelt or not one of its words stays an error.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from incident_response.domain.redaction import one_line

MOST = 50  # oddities of one alert that are put right; more than that is no alert but a mistake
_LEAP = re.compile(r"(\d\d:\d\d):60(?:\.\d+)?")
_PAIRS = (("name", "value"), ("key", "value"), ("label", "value"))

Place = tuple[int | str, ...]
Mend = Callable[[Any], tuple[Any, str]]  # the value instead, and what was done in words; GONE: it is left out
GONE = object()


def mended(document: Any, errors: Sequence[Mapping[str, Any]], odd: list[str]) -> Any | None:
    """The document without what these errors name, None when one of them cannot be put right.

    `odd` gets a line for each. The document itself is left as it is.
    """
    if not errors or len(odd) + len(errors) > MOST:
        return None
    found = copy.deepcopy(document)
    for error in errors:
        place = tuple(error["loc"])
        mend = _MENDS.get(str(error["type"]))
        holder = _holder(found, place)
        if mend is None or holder is None:
            return None
        value, words = mend(holder[place[-1]])
        if value is GONE:
            if not isinstance(holder, dict):
                return None
            del holder[place[-1]]
        else:
            holder[place[-1]] = value
        odd.append(f"{'.'.join(str(part)[:60] for part in place)}: {words}")
    return found


def _holder(document: Any, place: Place) -> Any | None:
    """What holds the last part of the place."""
    if not place:
        return None
    for part in place[:-1]:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    usable = isinstance(document, dict) and place[-1] in document
    return document if usable or isinstance(document, list) else None


def _as_text(value: Any) -> tuple[Any, str]:
    if value is None:
        return GONE, "null, left out"
    try:
        return json.dumps(value, ensure_ascii=False), f"{_kind(value)}, taken as text"
    except (ValueError, RecursionError):  # Python writes no numbers of more than 4300 digits
        return GONE, f"{_kind(value)} that cannot be written, left out"


def _as_labels(value: Any) -> tuple[Any, str]:
    """A list of labels, as some templates write them, or nothing that can be read."""
    if not isinstance(value, list):
        return GONE, f"{_kind(value)} and no object, left out"
    found: dict[str, Any] = {}
    for item in value:
        if isinstance(item, str) and "=" in item:
            name, _, text = item.partition("=")
            found[name.strip()] = text.strip().strip('"')
        elif isinstance(item, dict):
            pair = next((pair for pair in _PAIRS if item.keys() >= set(pair)), None)
            if pair is not None:
                found[str(item[pair[0]])] = item[pair[1]]
            elif len(item) == 1:
                found.update(item)
        elif isinstance(item, list) and len(item) == 2 and isinstance(item[0], str):
            found[item[0]] = item[1]
    return found, "a list, taken as labels"


def _as_time(value: Any) -> tuple[Any, str]:
    if isinstance(value, str) and _LEAP.search(value):
        return _LEAP.sub(r"\1:59", value), "a leap second, taken as the second before it"
    shown = one_line(str(value)[:80], 60) if isinstance(value, str) else _kind(value)
    return GONE, f"{shown} is no time with a zone that can be true, the time of arrival counts"


def _left_out(value: Any) -> tuple[Any, str]:
    return GONE, f"{_kind(value)}, left out"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a text")


TIME = "odd_time"  # the type of the error that fields.py raises for a time
_MENDS: dict[str, Mend] = {
    "string_type": _as_text,
    "dict_type": _as_labels,
    "list_type": _left_out,
    "int_type": _left_out,
    "int_parsing": _left_out,
    "int_parsing_size": _left_out,
    "int_from_float": _left_out,
    "bool_type": _left_out,
    TIME: _as_time,
    # of pydantic's own reading of a time
    "datetime_parsing": _as_time,
    "datetime_from_date_parsing": _as_time,
    "datetime_object_invalid": _as_time,
    "datetime_type": _as_time,
    "timezone_offset": _as_time,
}
