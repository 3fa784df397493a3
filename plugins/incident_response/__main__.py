"""The command line: `python -m incident_response …`, with the same configuration as Airflow's own."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Any

from . import bootstrap
from . import settings as configuration
from .domain.errors import BadInput, IncidentResponseError
from .domain.person_reports import person_report
from .domain.ports import IntegrationKind
from .domain.severities import Severity
from .service.integrations import FRESH


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 when something has to be mended, 2 for wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of itself at every look
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except IncidentResponseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m incident_response", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

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

    check = commands.add_parser("check", help="validate runbooks, policy and settings")
    check.set_defaults(run=_check)

    report = commands.add_parser("report", help="report an incident")
    report.add_argument("title", help="one line: what is wrong")
    report.add_argument(
        "--severity", type=Severity, choices=list(Severity), metavar="P1…P4", default=Severity.P3
    )
    report.add_argument("--service", default="unknown", help="the affected system")
    report.add_argument("--description", default="", help="what is known so far")
    report.add_argument("--by", default="command line", help="who reports it")
    report.set_defaults(run=_report)

    integrations = commands.add_parser("integrations", help="systems that may send signals to the webhooks")
    _integrations_parser(integrations.add_subparsers(required=True, metavar="command"))

    listing = commands.add_parser("list", help="the open incidents")
    listing.set_defaults(run=_list)
    return parser


def _integrations_parser(commands: Any) -> None:
    add = commands.add_parser("add", help="make a token; it is shown this once")
    add.add_argument("name", help="what people call the sender; it is named in timelines")
    add.add_argument("--kind", required=True, choices=[kind.value for kind in IntegrationKind])
    add.add_argument(
        "--label", action="append", default=[], metavar="k=v", help="added to signals that lack it"
    )
    add.add_argument("--by", default="command line", help="who makes it")
    add.set_defaults(run=_add_integration)
    commands.add_parser("list", help="all, revoked ones too").set_defaults(run=_list_integrations)
    revoke = commands.add_parser("revoke", help="its token stops within 5 seconds")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke_integration)


def _migrate(options: argparse.Namespace) -> int:
    settings = configuration.settings()
    revision = bootstrap.make_store(settings).migrate()
    print(f"the store at {configuration.without_secrets(settings.store_url)} has schema {revision}")
    return 0


def _tick(options: argparse.Namespace) -> int:
    by = bootstrap.name("cli")
    if options.forever:
        from .orchestration.ticking import run_forever

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


def _check(options: argparse.Namespace) -> int:
    library = bootstrap.make_library(configuration.settings())
    problems = library.problems()
    for problem in problems:
        print(problem)
    if not problems:
        print(
            f"{library.folder}: escalation, {len(library.rules())} rules "
            f"and {len(library.runbooks())} runbooks valid"
        )
    return 1 if problems else 0


def _report(options: argparse.Namespace) -> int:
    now = bootstrap.now()
    signal = person_report(
        options.title, options.severity, options.service, options.description, options.by, now
    )
    receipt = bootstrap.services().intake.receive([signal], now)[0]
    print(f"INC-{receipt.incident} {receipt.reason.value}")
    return 0


def _add_integration(options: argparse.Namespace) -> int:
    labels = dict(_pair(text) for text in options.label)
    kind, services = IntegrationKind(options.kind), bootstrap.services()
    made, token = services.integrations.add(options.name, kind, labels, options.by, bootstrap.now())
    path = "pagerduty/v2/enqueue" if kind is IntegrationKind.PAGERDUTY else kind.value
    page = services.settings.page_url or f"{configuration.base_url()}/incidents"
    print(f"{made.name} sends to {page.rstrip('/')}/hooks/{path}", file=sys.stderr)
    print("The token is kept as a hash only: it cannot be shown again.", file=sys.stderr)
    print(token)  # alone on standard output, so that it can be piped into a secret store
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"label: {text!r} is no k=v; nothing was changed")
    return name, value


def _list_integrations(options: argparse.Namespace) -> int:
    for one in bootstrap.services().integrations.all():
        state = f"revoked {one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else "in use"
        used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never"
        labels = " ".join(f"{name}={value}" for name, value in sorted(one.labels.items()))
        print(
            f"{one.name:<24} {one.kind.value:<12} {state:<24} last used {used:<16}  "
            f"made {one.created_at:%Y-%m-%d %H:%M} by {one.created_by}  {labels}".rstrip()
        )
    return 0


def _revoke_integration(options: argparse.Namespace) -> int:
    bootstrap.services().integrations.revoke(options.name, bootstrap.now())
    print(f"{options.name} is revoked; its token stops within {FRESH.total_seconds():g} seconds")
    return 0


def _list(options: argparse.Namespace) -> int:
    with bootstrap.services().store.read() as tx:
        rows = tx.board(200)
    for row in rows:
        incident = row.incident
        due = (
            f"{incident.timers[0].kind.word} {incident.timers[0].due_at:%H:%M:%S}" if incident.timers else ""
        )
        print(
            f"{incident.severity.value}  {incident.key:<9} {incident.status.value:<13} "
            f"L{incident.level}  {incident.owner or '—':<12} {due:<32} {incident.title}"
        )
    print(f"{len(rows)} open")
    return 0


if __name__ == "__main__":
    sys.exit(main())
