"""The series selectors in a PromQL expression. No parser: enough to ask whether what it looks at exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<comment>\#[^\n]*)
    |(?P<range>\[[^\]]*\])
    |(?P<matchers>\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^{}"'`])*\})
    |(?P<number>\d[\w.]*)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<other>\S)""",
    re.X,
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"})
_AGGREGATIONS = frozenset(
    {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk",
     "quantile", "limitk", "limit_ratio"}
)  # fmt: skip
_OF_NOTHING = frozenset({"absent", "absent_over_time"})  # these are true when there is no series
_COUNTS_NOTHING = re.compile(r"^\s*count\b.*==\s*0+\s*$", re.S)


def counts_nothing(expression: str) -> bool:
    """True for `count(…) == 0`: a count of nothing is no result, so that is never true."""
    return _COUNTS_NOTHING.match(expression) is not None


def selectors(expression: str) -> tuple[str, ...]:
    """Those without which it has no result, each once; none of `absent(…)`, and none behind `unless`."""
    return tuple(dict.fromkeys(_found(expression)))


def is_alternative(expression: str) -> bool:
    """True when one side may have a result without the other."""
    return any(match["name"] == "or" for match in _TOKEN.finditer(expression))


def _found(expression: str) -> Iterator[str]:
    tokens = [match for match in _TOKEN.finditer(expression) if not match["comment"]]
    place = 0
    while place < len(tokens):
        token, after = tokens[place], tokens[place + 1] if place + 1 < len(tokens) else None
        opens = after is not None and after["other"] == "("
        name = token["name"]
        place += 1
        if name is None:
            if token["matchers"]:
                yield token["matchers"]
            continue
        word = name.lower()
        if word == "unless":
            return
        if opens and (word in _LISTS or word in _OF_NOTHING):
            place = _behind(tokens, place)
        elif not (opens or word in _WORDS or word in _LISTS or word in _AGGREGATIONS):
            if after is not None and after["matchers"]:
                yield f"{name}{after['matchers']}"
                place += 1
            else:
                yield name


def _behind(tokens: list[re.Match[str]], place: int) -> int:
    """The place behind the parenthesis that opens at `place`."""
    depth = 0
    for at in range(place, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at]["other"] or "", 0)
        if depth == 0:
            return at + 1
    return len(tokens)
