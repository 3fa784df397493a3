"""`schema`: the JSON Schema of runbook files, for an editor."""

from __future__ import annotations

import argparse
import json

from incident_response.bootstrap import runbook_schema

from .reading import Commands


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("schema", help="print the JSON Schema of runbook files, for an editor")
    parser.set_defaults(run=_print)


def _print(options: argparse.Namespace) -> int:
    print(json.dumps(runbook_schema(), indent=1, ensure_ascii=False))
    return 0
