"""The command line: `python -m incident_response …`, with the same configuration as Airflow's own."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
from collections.abc import Sequence
from typing import TextIO

from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.safe_text import lines, visible

from . import (
    automation,
    causes,
    checking,
    classifying,
    drill,
    integrations,
    replaying,
    reporting,
    schema,
    silences,
    upkeep,
)

# In the order in which `--help` names them.
_GROUPS = (
    upkeep,
    checking,
    classifying,
    reporting,
    causes,
    silences,
    automation,
    replaying,
    drill,
    integrations,
    schema,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 when something has to be mended, 2 for wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of itself at every look
    options = parser().parse_args(arguments)
    out, err = Seen(sys.stdout), Seen(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            return int(options.run(options))
        except IncidentResponseError as error:
            print(f"error: {visible(str(error))}", file=sys.stderr)
            return 1


class Seen(io.TextIOBase):
    """A terminal that obeys no order which stands in a text from outside."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    def write(self, text: str) -> int:
        """All of it that can be seen."""
        self._terminal.write(lines(text))
        return len(text)

    def flush(self) -> None:
        """Likewise."""
        self._terminal.flush()

    def isatty(self) -> bool:
        """Whether a person looks."""
        return self._terminal.isatty()


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    made = argparse.ArgumentParser(prog="python -m incident_response", description=__doc__)
    commands = made.add_subparsers(required=True, metavar="command")
    for group in _GROUPS:
        group.add_to(commands)
    return made
