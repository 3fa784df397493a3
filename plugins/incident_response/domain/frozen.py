"""Frozen records, copied and revived in a fraction of the time that their constructors take.

`dataclasses.replace` looks at every field and calls the constructor, which sets every field through
`object.__setattr__`: for an incident of forty fields that is most of what opening one costs.
"""

from __future__ import annotations

from typing import Any, TypeVar

Record = TypeVar("Record")


def evolved(record: Record, changes: dict[str, Any]) -> Record:
    """A copy with other values. For records without `__post_init__` and cached properties.

    Raises TypeError for a field that there is not.
    """
    values = record.__dict__ | changes
    if len(values) != len(record.__dict__):
        unknown = sorted(set(changes) - set(record.__dict__))
        raise TypeError(f"{type(record).__name__} has no field {', '.join(unknown)}")
    return revived(type(record), values)


def revived(kind: type[Record], values: dict[str, Any]) -> Record:
    """A record of `kind` whose fields are exactly `values`, which were checked when it was made first."""
    record = object.__new__(kind)
    record.__dict__.update(values)
    return record
