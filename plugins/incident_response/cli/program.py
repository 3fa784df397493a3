"""The command line: `python -m incident_response …`, with the same configuration as Airflow's own."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from incident_response.domain.errors import IncidentResponseError

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
    try:
        return int(options.run(options))
    except IncidentResponseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    made = argparse.ArgumentParser(prog="python -m incident_response", description=__doc__)
    commands = made.add_subparsers(required=True, metavar="command")
    for group in _GROUPS:
        group.add_to(commands)
    return made
