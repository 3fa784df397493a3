"""Statements that a PostgreSQL server has planned once for a connection.

To plan a small statement costs the server more than to run it. A connection pooler that hands each
transaction another server connection does not know what was prepared: then its first refusal fails one
transaction, which its caller repeats like any other, and from then on this process sends statements whole.
Two clients of such a pooler share what is prepared, so a name stands for its statement, whoever prepared it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import MutableMapping
from functools import cache
from typing import Any

from .failures import UNPREPARED

_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")  # other commands cannot be prepared
_PARAMETER = re.compile(r"%\((\w+)\)s")


@cache  # statements are constants of our own
def _plan(statement: str) -> tuple[str, str]:
    """The statement with numbered parameters, and what follows EXECUTE and its name."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    body = _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", statement)
    return body, f"({', '.join(f'%({name})s' for name in names)})" if names else ""


class Prepared:
    """What is prepared on one connection."""

    _refused = False  # by what stands between this process and the server

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._fresh: list[str] = []
        self._tries: dict[str, int] = {}

    @classmethod
    def of(cls, info: MutableMapping[str, Any]) -> Prepared:
        """That of the connection with this `info`, which lives as long as the connection."""
        found = info.get("prepared")
        if found is None:
            found = info["prepared"] = cls()
        return found

    def call(self, statement: str) -> tuple[str, str]:
        """What has to be sent before (empty: nothing), and what runs `statement`, with its parameters."""
        if Prepared._refused or not statement.lstrip().startswith(_PLANNED):
            return "", statement
        body, arguments = _plan(statement)
        name, before = self._names.get(statement), ""
        if name is None:
            # Never the same name twice: after an error it is not known whether the first was taken in.
            tries = self._tries[statement] = self._tries.get(statement, 0) + 1
            digest = hashlib.sha256(body.encode()).hexdigest()[:32]
            name = self._names[statement] = f"incidents_{digest}_{tries}"
            self._fresh.append(statement)
            before = f"PREPARE {name} AS {body}"
        return before, f"EXECUTE {name}{arguments}"

    def accepted(self) -> None:
        """The server has taken in what was sent."""
        self._fresh.clear()

    def failed(self, code: str | None) -> None:
        """The server has not: what was new in it is prepared again when it is needed."""
        for statement in self._fresh:
            del self._names[statement]
        self._fresh.clear()
        if code in UNPREPARED:
            Prepared._refused = True
