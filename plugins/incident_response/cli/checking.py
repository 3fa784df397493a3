"""`check`: are the files valid, and do the outside systems answer? Nothing is stored, no incident opened."""

from __future__ import annotations

import argparse

from incident_response import bootstrap
from incident_response import settings as configuration

from .live import FAILED, looks
from .reading import Commands


def add_to(commands: Commands) -> None:
    """Add the command."""
    check = commands.add_parser("check", help="validate runbooks, policy and settings")
    check.add_argument(
        "--live", action="store_true", help="also look once at every source and log in at the mail server"
    )
    check.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    services = bootstrap.services() if options.live else None
    library = services.library if services else bootstrap.make_library(configuration.settings())
    problems = library.problems()
    for problem in problems:
        print(problem)
    if not problems:
        print(
            f"{library.folder}: escalation, {len(library.rules())} rules "
            f"and {len(library.runbooks())} runbooks valid"
        )
    bad = len(problems)
    if services:
        for look in looks(services, bootstrap.now()):
            print(f"{look.state:<6} {look.name:<20} {look.text}", flush=True)
            bad += look.state == FAILED
    return 1 if bad else 0
