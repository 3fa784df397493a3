"""Matchers: label → regular expression for the whole value, as in classification rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from .base import LabelName


def _usable(value: dict[str, str]) -> dict[str, str]:
    if not value:
        raise ValueError("matches everything; name at least one label, or set `enabled: false`")
    for label, pattern in value.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{label}: {pattern!r} is no regular expression: {error}") from None
    return value


Matchers = Annotated[dict[LabelName, str], AfterValidator(_usable)]
Ignored = Annotated[
    tuple[Matchers, ...],
    Field(description="Alerts are ignored in which every label of one entry matches as a whole."),
]


def matches_any(entries: Iterable[Mapping[str, str]], labels: Mapping[str, str]) -> bool:
    """True when all patterns of one entry match the whole value; a label that is missing is empty."""
    return any(
        all(re.fullmatch(pattern, labels.get(label, "")) for label, pattern in entry.items())
        for entry in entries
    )
