"""`migrate`, `tick`, `doctor`: the store, a clock beside Airflow's, and the state of the installation."""

from __future__ import annotations

import argparse
import logging

from incident_response import bootstrap
from incident_response import settings as configuration

from .reading import Commands


def add_to(commands: Commands) -> None:
    """Add the group's commands."""
    migrate = commands.add_parser("migrate", help="create the store's schema or bring it up to date")
    migrate.set_defaults(run=_migrate)
    tick = commands.add_parser(
        "tick", help="let the clock look once (or for ever): timers, messages, detection"
    )
    tick.add_argument(
        "--forever", action="store_true", help="until it is stopped; a second clock beside Airflow"
    )
    tick.set_defaults(run=_tick)
    doctor = commands.add_parser("doctor", help="examine this installation and say how to mend what is wrong")
    doctor.set_defaults(run=_doctor)


def _migrate(options: argparse.Namespace) -> int:
    settings = configuration.settings()
    revision = bootstrap.make_store(settings).migrate()
    print(f"the store at {configuration.without_secrets(settings.store_url)} has schema {revision}")
    return 0


def _tick(options: argparse.Namespace) -> int:
    by = bootstrap.name("cli")
    if options.forever:
        from incident_response.orchestration.ticking import run_forever

        logging.getLogger("incident_response").setLevel(logging.INFO)
        run_forever(bootstrap.services().clock, by, bootstrap.services().settings.tick_interval)
        return 0
    print(bootstrap.services().clock.tick(bootstrap.now(), by))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    settings = configuration.settings()
    print(f"store    {configuration.without_secrets(settings.store_url)}")
    bad = 0
    services = bootstrap.services()
    print(f"include  {services.library.folder}")
    for finding in services.doctor.examine(bootstrap.now()):
        print(f"{'ok   ' if finding.ok else 'MEND '}  {finding.check}: {finding.text}")
        if not finding.ok:
            bad += 1
            print(f"       → {finding.remedy}")
    print("nothing to mend" if not bad else f"{bad} to mend")
    return 1 if bad else 0
