"""LogQL as the detector writes it, and the answers as it reads them. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.times import UTC
from incident_response.sources.loki import LogQuery


class Unreadable(ValueError):
    """The answer is not one of Loki's."""


@dataclass(frozen=True)
class Count:
    """Lines in the window that have this value of the label ("" when they do not have the label)."""

    value: str
    lines: float


@dataclass(frozen=True)
class Line:
    """One log line as it was written."""

    at: datetime
    text: str


def counting(query: LogQuery) -> str:
    """The metric query: lines in the window, for each value of the label."""
    seconds = max(1, round(query.window / timedelta(seconds=1)))
    grouping = f"sum by ({query.by})" if query.service is None else "sum"
    return f"{grouping} (count_over_time({query.query} [{seconds}s]))"


def lines_of(query: LogQuery, value: str) -> str:
    """The log query, narrowed to one value of the label. The value comes from a log, so it is quoted."""
    return query.query if query.service is not None else f"{query.query} | {query.by}={quoted(value)}"


def quoted(value: str) -> str:
    """A LogQL string: those are Go's, which read everything that JSON writes."""
    return json.dumps(value, ensure_ascii=False)


def counts(data: Any, query: LogQuery, now: datetime) -> list[Count]:
    """What `/query` answered. Raises Unreadable."""
    oldest = (now - query.window).timestamp()
    found: dict[str, float] = {}
    for metric, at, number in _vector(data):
        # Loki computes at the time it was asked for. Others keep the last value that was not nothing: that
        # one tells of a window that is over.
        if at > oldest and math.isfinite(number):
            value = "" if query.service is not None else _text(metric.get(query.by, ""))
            found[value] = found.get(value, 0) + number
    return [Count(value, number) for value, number in found.items()]


def lines(data: Any, most: int) -> list[Line]:
    """What `/query_range` answered, the latest first. Raises Unreadable."""
    found = sorted(_streams(data), key=lambda line: line.at, reverse=True)
    return found[:most]


def _vector(data: Any) -> Iterator[tuple[Mapping[str, Any], float, float]]:
    for series in _result(data, "vector"):
        try:
            at, value = series["value"]
            yield dict(series["metric"]), float(at), float(value)
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable("a value in its answer has an unknown form") from error


def _streams(data: Any) -> Iterator[Line]:
    for stream in _result(data, "streams"):
        try:
            for at, text, *_ in stream["values"]:
                # Nanoseconds: a string in Loki, a number elsewhere.
                yield Line(datetime.fromtimestamp(float(at) / 1e9, UTC), _text(text))
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise Unreadable("a log line in its answer has an unknown form") from error


def _result(data: Any, kind: str) -> list[Any]:
    if (
        not isinstance(data, dict)
        or data.get("resultType") != kind
        or not isinstance(data.get("result"), list)
    ):
        raise Unreadable(f"its answer is no {kind}")
    return list(data["result"])


def _text(value: Any) -> str:
    # JSON may hold halves of characters, which no request can carry.
    return str(value).encode(errors="replace").decode()
