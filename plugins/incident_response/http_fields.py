"""What is asked by HTTP, and what its answer has to hold, as a person writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator

from incident_response.domain.errors import BadInput
from incident_response.domain.patterns import anywhere


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", value):
        raise ValueError("is no address; write http://host:port/path or https://…")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password; put them into an Airflow connection, name it as conn_id")
    return value


def _pattern(value: str) -> str:
    try:
        anywhere(value)
    except BadInput as error:
        raise ValueError(str(error)) from None
    return value


def scalars(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Dotted paths with one value each: more cannot be compared. Raises ValueError."""
    for path, wanted in value.items():
        if not (wanted is None or isinstance(wanted, (str, int, float, bool))):
            raise ValueError(f"{path}: compare one value, {type(wanted).__name__} holds many; go deeper")
    return value


Address = Annotated[str, AfterValidator(_address)]
Pattern = Annotated[str, AfterValidator(_pattern)]
