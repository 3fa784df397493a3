"""Matchers: label → regular expression for the whole value, as in classification rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from incident_response.domain.errors import BadInput
from incident_response.domain.patterns import pattern

from .base import LabelName


def _usable(value: dict[str, str]) -> dict[str, str]:
    if not value:
        raise ValueError("matches everything; name at least one label, or set `enabled: false`")
    for label, text in value.items():
        try:
            pattern(text)
        except BadInput as error:
            raise ValueError(f"{label}: {error}") from None
    return value


Matchers = Annotated[dict[LabelName, str], AfterValidator(_usable)]
Ignored = Annotated[
    tuple[Matchers, ...],
    Field(description="Alerts are ignored in which every label of one entry matches as a whole."),
]


def matches_any(entries: Iterable[Mapping[str, str]], labels: Mapping[str, str]) -> bool:
    """True when all patterns of one entry match the whole value; a label that is missing is empty."""
    return any(
        all(pattern(text).matches(labels.get(label, "")) for label, text in entry.items())
        for entry in entries
    )
